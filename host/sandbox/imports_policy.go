package sandbox

import (
	"bytes"

	"github.com/adp-host/adp/abi"
)

// decided is the last answer that did not fit into the guest's buffer: when the guest comes again with a larger one, the
// question is not asked, and audited, twice.
type decided struct {
	request, answer []byte
}

// decide is adp_v1.decide(request i32, request_len i32, buf i32, cap i32) → i64: the length of the answer, both JSON.
// TooLarge, OutOfBounds, NotNow, Failed (and so does the run). A denial is an answer.
func (i *Instance) decide(stack []uint64) {
	status := i.effective()
	var request []byte
	if status == abi.OK {
		request, status = i.request(stack[0], stack[1])
	}
	if status != abi.OK {
		stack[0] = negated(status)
		return
	}
	answer := i.decided.answer
	if answer == nil || !bytes.Equal(request, i.decided.request) {
		ctx, cancel := i.bounded()
		defer cancel()
		var err error
		if answer, err = i.calls.Decide(ctx, request); err != nil {
			i.failHost(err)
			stack[0] = negated(abi.Failed)
			return
		}
	}
	i.decided = decided{}
	if len(answer) > int(uint32(stack[3])) {
		i.decided = decided{request, answer}
	}
	stack[0] = i.fill(stack[2], stack[3], answer)
}
