package sandbox

import (
	"context"
	"errors"
)

// A program keeps, beside its code, images of what its guest is after initialisation, and parks instances that are back in
// that state. Programs belong to one tenant and one module, and so does all that they keep.

// image is the one for a key, nil while there is none.
func (p *program) image(key imageKey) *image {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.images[key]
}

// remember keeps an image of a body, if the program can be restored, nobody was faster, and there is room. Without it every
// instance initialises itself, which is slower and no more.
func (p *program) remember(key imageKey, b *body, capture func() (*image, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fixed != "" || p.images[key] != nil || len(p.images) >= maxImages || p.large {
		return
	}
	m, err := capture()
	if err != nil {
		return
	}
	if p.large = p.imageBytes+m.pages.size > p.owner.mostImages/4; p.large || !p.owner.room(m.pages.size) {
		_ = m.pages.close()
		return
	}
	p.imageBytes += m.pages.size
	p.images[key] = m
	b.image = m // its own memory is restored from it when the run is over
}

// hasImages reports whether there are any.
func (p *program) hasImages() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.images) > 0
}

// ready gives a body in the state of the image: one that waits, or a new one.
func (p *program) ready(ctx context.Context, m *image, limit int64) (*body, error) {
	if b := p.owner.parking.leave(m); b != nil {
		p.owner.stats.reused.Add(1)
		return b, nil
	}
	p.owner.stats.mapped.Add(1)
	return m.newBody(ctx, p, limit)
}

// leave takes a body back from a run. It is parked if it can be what it was; memory that has grown cannot, and what became
// of a guest that failed is not looked at. laid is how much of its arena was used.
func (p *program) leave(b *body, healthy bool, laid int64) error {
	if m := b.image; healthy && m != nil && b.mem.size == m.size && m.restore(b, laid) == nil {
		return p.owner.parking.enter(b)
	}
	return b.close()
}

// forgetImages closes what is parked, and the images.
func (p *program) forgetImages() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, m := range p.images {
		errs = append(errs, p.owner.parking.clear(m), m.pages.close())
	}
	clear(p.images)
	if p.imageBytes > 0 { // else nobody may own it yet
		p.owner.imageBytes.Add(-p.imageBytes)
		p.imageBytes = 0
	}
	return errors.Join(errs...)
}
