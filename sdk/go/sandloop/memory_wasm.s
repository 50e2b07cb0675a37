#include "textflag.h"

// func breakMemory(bytes uintptr) uintptr
TEXT ·breakMemory(SB), $16-16
	MOVD bytes+0(FP), R0
	MOVD R0, 0(SP)
	CALL runtime·sbrk(SB)
	MOVD 8(SP), R0
	MOVD R0, ret+8(FP)
	RET

// func trap()
TEXT ·trap(SB), NOSPLIT, $0-0
	UNDEF
