package build

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
)

// resident is a compiler that stays: it is asked a line and answers a line. One that is started for each edit spends most of
// its time on becoming fast.
type resident struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	said *tail // beside its answers
}

// job is what a resident is asked for.
type job struct {
	Dir string `json:"dir"` // of the product
	Out string `json:"out"` // where the module goes
}

// done is what it answers.
type done struct {
	OK   bool   `json:"ok"`
	Said string `json:"said"`
}

var errFailed = errors.New("it failed")

// ask has a compiler that stays do a job. It is started where it is not there, or not any more. What it said is as that of run.
func (b *Builder) ask(ctx context.Context, which **resident, j job, env []string, name string, args ...string) (said string, err error) {
	for {
		begun := *which == nil
		if begun {
			if *which, err = b.settle(env, name, args...); err != nil {
				return "", err
			}
		}
		r := *which
		kill := context.AfterFunc(ctx, func() { _ = r.cmd.Process.Kill() })
		d, err := r.do(j)
		kill()
		if err == nil && !d.OK {
			return d.Said, errFailed
		}
		if err == nil {
			return d.Said, nil
		}
		*which = nil
		r.leave()
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if begun {
			return r.said.String(), err
		}
	}
}

func (b *Builder) settle(env []string, name string, args ...string) (*resident, error) {
	r := &resident{cmd: exec.Command(name, args...), said: &tail{limit: 1 << 20}}
	r.cmd.Env = append(append([]string{}, b.Env...), env...)
	r.cmd.Stderr = r.said
	in, err := r.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r.in, r.out = in, bufio.NewReader(out)
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *resident) do(j job) (d done, err error) {
	text, err := json.Marshal(j)
	if err != nil {
		return d, err
	}
	if _, err := r.in.Write(append(text, '\n')); err != nil {
		return d, err
	}
	line, err := r.out.ReadString('\n')
	if err != nil {
		return d, err
	}
	return d, json.NewDecoder(strings.NewReader(line)).Decode(&d)
}

// leave ends the compiler, which has nothing to save.
func (r *resident) leave() {
	_ = r.in.Close()
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

// Close ends compilers that stayed.
func (b *Builder) Close() {
	if b.asc != nil {
		b.asc.leave()
		b.asc = nil
	}
}
