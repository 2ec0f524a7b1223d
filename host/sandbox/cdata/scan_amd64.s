#include "textflag.h"

// Each takes whole steps of 128 bytes, four registers of 32 at a time; what is left over is the caller's.

// LOAD fills Y2 to Y5 with a step.
#define LOAD \
	VMOVDQU (SI), Y2; \
	VMOVDQU 32(SI), Y3; \
	VMOVDQU 64(SI), Y4; \
	VMOVDQU 96(SI), Y5

// FOUND gathers what was found in a step, goes on with the next, and tells after the last whether anything was.
#define FOUND(next) \
	VPOR   Y2, Y0, Y0; \
	VPOR   Y3, Y1, Y1; \
	VPOR   Y4, Y0, Y0; \
	VPOR   Y5, Y1, Y1; \
	ADDQ   $128, SI; \
	DECQ   CX; \
	JNZ    next; \
	VPOR   Y1, Y0, Y0; \
	VPTEST Y0, Y0

// func nan64AVX2(p *byte, steps int) bool
TEXT ·nan64AVX2(SB), NOSPLIT, $0-17
	MOVQ  p+0(FP), SI
	MOVQ  steps+8(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
nan64:
	LOAD
	VCMPPD $3, Y2, Y2, Y2
	VCMPPD $3, Y3, Y3, Y3
	VCMPPD $3, Y4, Y4, Y4
	VCMPPD $3, Y5, Y5, Y5
	FOUND(nan64)
	SETNE ret+16(FP)
	VZEROUPPER
	RET

// func nan32AVX2(p *byte, steps int) bool
TEXT ·nan32AVX2(SB), NOSPLIT, $0-17
	MOVQ  p+0(FP), SI
	MOVQ  steps+8(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
nan32:
	LOAD
	VCMPPS $3, Y2, Y2, Y2
	VCMPPS $3, Y3, Y3, Y3
	VCMPPS $3, Y4, Y4, Y4
	VCMPPS $3, Y5, Y5, Y5
	FOUND(nan32)
	SETNE ret+16(FP)
	VZEROUPPER
	RET

// func falls32AVX2(p *byte, steps int) bool
TEXT ·falls32AVX2(SB), NOSPLIT, $0-17
	MOVQ  p+0(FP), SI
	MOVQ  steps+8(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
falls32:
	LOAD
	VPCMPGTD 4(SI), Y2, Y2
	VPCMPGTD 36(SI), Y3, Y3
	VPCMPGTD 68(SI), Y4, Y4
	VPCMPGTD 100(SI), Y5, Y5
	FOUND(falls32)
	SETNE ret+16(FP)
	VZEROUPPER
	RET

// func falls64AVX2(p *byte, steps int) bool
TEXT ·falls64AVX2(SB), NOSPLIT, $0-17
	MOVQ  p+0(FP), SI
	MOVQ  steps+8(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
falls64:
	LOAD
	VPCMPGTQ 8(SI), Y2, Y2
	VPCMPGTQ 40(SI), Y3, Y3
	VPCMPGTQ 72(SI), Y4, Y4
	VPCMPGTQ 104(SI), Y5, Y5
	FOUND(falls64)
	SETNE ret+16(FP)
	VZEROUPPER
	RET

// func highAVX2(p *byte, steps int) bool
TEXT ·highAVX2(SB), NOSPLIT, $0-17
	MOVQ   p+0(FP), SI
	MOVQ   steps+8(FP), CX
	VPXOR  Y0, Y0, Y0
	VPXOR  Y1, Y1, Y1
high:
	VPOR      (SI), Y0, Y0
	VPOR      32(SI), Y1, Y1
	VPOR      64(SI), Y0, Y0
	VPOR      96(SI), Y1, Y1
	ADDQ      $128, SI
	DECQ      CX
	JNZ       high
	VPOR      Y1, Y0, Y0
	VPMOVMSKB Y0, AX
	TESTL     AX, AX
	SETNE     ret+16(FP)
	VZEROUPPER
	RET
