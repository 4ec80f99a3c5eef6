// memcpy, memmove, memset, memcmp, bcmp and strlen: see strings.rs.
// Intel syntax; System V calling convention; baseline SSE2 only.

.section .text.anchorite_strings,"ax",@progbits

// memcpy(rdi = to, rsi = from, rdx = len) -> rax = to
// Up to 128 bytes, everything is loaded before anything is stored, so that
// memmove can share these paths.
.balign 64
.globl anchorite_memcpy
.type anchorite_memcpy,@function
anchorite_memcpy:
    mov     rax, rdi
    cmp     rdx, 16
    jb      .Lcopy_below_16
.Lcopy_16_up:
    cmp     rdx, 32
    ja      .Lcopy_above_32
    movups  xmm0, [rsi]
    movups  xmm1, [rsi + rdx - 16]
    movups  [rdi], xmm0
    movups  [rdi + rdx - 16], xmm1
    ret

.balign 16
.Lcopy_above_32:
    cmp     rdx, 64
    ja      .Lcopy_above_64
    movups  xmm0, [rsi]
    movups  xmm1, [rsi + 16]
    movups  xmm2, [rsi + rdx - 32]
    movups  xmm3, [rsi + rdx - 16]
    movups  [rdi], xmm0
    movups  [rdi + 16], xmm1
    movups  [rdi + rdx - 32], xmm2
    movups  [rdi + rdx - 16], xmm3
    ret

.balign 16
.Lcopy_above_64:
    cmp     rdx, 128
    ja      .Lcopy_above_128
    movups  xmm0, [rsi]
    movups  xmm1, [rsi + 16]
    movups  xmm2, [rsi + 32]
    movups  xmm3, [rsi + 48]
    movups  xmm4, [rsi + rdx - 64]
    movups  xmm5, [rsi + rdx - 48]
    movups  xmm6, [rsi + rdx - 32]
    movups  xmm7, [rsi + rdx - 16]
    movups  [rdi], xmm0
    movups  [rdi + 16], xmm1
    movups  [rdi + 32], xmm2
    movups  [rdi + 48], xmm3
    movups  [rdi + rdx - 64], xmm4
    movups  [rdi + rdx - 48], xmm5
    movups  [rdi + rdx - 32], xmm6
    movups  [rdi + rdx - 16], xmm7
    ret

.balign 16
.Lcopy_above_128:
    cmp     rdx, {rep_movsb_from}
    jae     .Lcopy_rep
// Forward by 64 bytes; the last 64 were loaded first and are stored last, so
// that an overlap with `to` below `from` is right as well.
.Lcopy_forward:
    movups  xmm4, [rsi + rdx - 64]
    movups  xmm5, [rsi + rdx - 48]
    movups  xmm6, [rsi + rdx - 32]
    movups  xmm7, [rsi + rdx - 16]
    lea     rcx, [rdi + rdx - 64]
.balign 16
.Lcopy_forward_next:
    movups  xmm0, [rsi]
    movups  xmm1, [rsi + 16]
    movups  xmm2, [rsi + 32]
    movups  xmm3, [rsi + 48]
    add     rsi, 64
    movups  [rdi], xmm0
    movups  [rdi + 16], xmm1
    movups  [rdi + 32], xmm2
    movups  [rdi + 48], xmm3
    add     rdi, 64
    cmp     rdi, rcx
    jb      .Lcopy_forward_next
    movups  [rcx], xmm4
    movups  [rcx + 16], xmm5
    movups  [rcx + 32], xmm6
    movups  [rcx + 48], xmm7
    ret

.Lcopy_rep:
    // Where `to` lies 1 to 31 bytes above `from` within a page, whichever pages these are,
    // `rep movsb` takes up to thirty times as long on AMD's Zen 4. (32 costs no test of its own.)
    lea     ecx, [rdi - 1]
    sub     ecx, esi
    test    ecx, 4096 - 32
    jz      .Lcopy_forward
    mov     rcx, rdx
    rep movsb
    ret

.balign 16
.Lcopy_below_16:
    cmp     edx, 8
    jae     .Lcopy_8_to_15
    cmp     edx, 4
    jae     .Lcopy_4_to_7
    cmp     edx, 1
    ja      .Lcopy_2_to_3
    jb      .Lcopy_none
    movzx   ecx, byte ptr [rsi]
    mov     [rdi], cl
.Lcopy_none:
    ret
.Lcopy_2_to_3:
    movzx   ecx, word ptr [rsi]
    movzx   r8d, byte ptr [rsi + rdx - 1]
    mov     [rdi], cx
    mov     [rdi + rdx - 1], r8b
    ret
.Lcopy_4_to_7:
    mov     ecx, [rsi]
    mov     r8d, [rsi + rdx - 4]
    mov     [rdi], ecx
    mov     [rdi + rdx - 4], r8d
    ret
.Lcopy_8_to_15:
    mov     rcx, [rsi]
    mov     r8, [rsi + rdx - 8]
    mov     [rdi], rcx
    mov     [rdi + rdx - 8], r8
    ret

// memmove(rdi = to, rsi = from, rdx = len) -> rax = to
.balign 64
.globl anchorite_memmove
.type anchorite_memmove,@function
anchorite_memmove:
    mov     rax, rdi
    cmp     rdx, 16
    jb      .Lcopy_below_16
    cmp     rdx, 128
    jbe     .Lcopy_16_up
    mov     rcx, rdi
    sub     rcx, rsi
    // Not `from < to < from + len`: forward is right.
    cmp     rcx, rdx
    jae     .Lmove_forward
// Backward by 64 bytes; the first 64 were loaded first and are stored last.
    movups  xmm4, [rsi]
    movups  xmm5, [rsi + 16]
    movups  xmm6, [rsi + 32]
    movups  xmm7, [rsi + 48]
    lea     rcx, [rdi + 64]
    add     rdi, rdx
    add     rsi, rdx
.balign 16
.Lmove_backward_next:
    movups  xmm0, [rsi - 16]
    movups  xmm1, [rsi - 32]
    movups  xmm2, [rsi - 48]
    movups  xmm3, [rsi - 64]
    sub     rsi, 64
    movups  [rdi - 16], xmm0
    movups  [rdi - 32], xmm1
    movups  [rdi - 48], xmm2
    movups  [rdi - 64], xmm3
    sub     rdi, 64
    cmp     rdi, rcx
    ja      .Lmove_backward_next
    movups  [rax], xmm4
    movups  [rax + 16], xmm5
    movups  [rax + 32], xmm6
    movups  [rax + 48], xmm7
    ret
.Lmove_forward:
    cmp     rdx, {rep_movsb_from}
    jb      .Lcopy_forward
    // `rep movsb` is slow when `to` lies shortly below `from`.
    neg     rcx
    cmp     rcx, rdx
    jae     .Lcopy_rep
    jmp     .Lcopy_forward

// memset(rdi = to, esi = byte, rdx = len) -> rax = to
.balign 64
.globl anchorite_memset
.type anchorite_memset,@function
anchorite_memset:
    mov     rax, rdi
    movzx   esi, sil
    mov     rcx, 0x0101010101010101
    imul    rcx, rsi
    cmp     rdx, 16
    jb      .Lset_below_16
    movq    xmm0, rcx
    punpcklqdq xmm0, xmm0
    cmp     rdx, 64
    ja      .Lset_above_64
    movups  [rdi], xmm0
    movups  [rdi + rdx - 16], xmm0
    cmp     rdx, 32
    jbe     .Lset_done
    movups  [rdi + 16], xmm0
    movups  [rdi + rdx - 32], xmm0
.Lset_done:
    ret
.balign 16
.Lset_above_64:
    cmp     rdx, {rep_stosb_from}
    jae     .Lset_rep
    lea     rcx, [rdi + rdx - 64]
.balign 16
.Lset_next:
    movups  [rdi], xmm0
    movups  [rdi + 16], xmm0
    movups  [rdi + 32], xmm0
    movups  [rdi + 48], xmm0
    add     rdi, 64
    cmp     rdi, rcx
    jb      .Lset_next
    movups  [rcx], xmm0
    movups  [rcx + 16], xmm0
    movups  [rcx + 32], xmm0
    movups  [rcx + 48], xmm0
    ret
.Lset_rep:
    mov     r8, rax
    mov     eax, esi
    mov     rcx, rdx
    rep stosb
    mov     rax, r8
    ret
.balign 16
.Lset_below_16:
    cmp     edx, 8
    jae     .Lset_8_to_15
    cmp     edx, 4
    jae     .Lset_4_to_7
    test    edx, edx
    jz      .Lset_done
    mov     [rdi], cl
    mov     [rdi + rdx - 1], cl
    cmp     edx, 3
    jb      .Lset_done
    mov     [rdi + 1], cl
    ret
.Lset_4_to_7:
    mov     [rdi], ecx
    mov     [rdi + rdx - 4], ecx
    ret
.Lset_8_to_15:
    mov     [rdi], rcx
    mov     [rdi + rdx - 8], rcx
    ret

// memcmp(rdi = a, rsi = b, rdx = len) -> eax: sign of the first difference
.balign 64
.globl anchorite_memcmp
.type anchorite_memcmp,@function
anchorite_memcmp:
    xor     ecx, ecx
    cmp     rdx, 16
    jb      .Lcmp_below_16
    sub     rdx, 16
    cmp     rdx, 64
    jb      .Lcmp_next
// 64 bytes at a time while they are equal
.balign 16
.Lcmp_next_64:
    movdqu  xmm0, [rdi + rcx]
    movdqu  xmm1, [rdi + rcx + 16]
    movdqu  xmm2, [rdi + rcx + 32]
    movdqu  xmm3, [rdi + rcx + 48]
    movdqu  xmm4, [rsi + rcx]
    movdqu  xmm5, [rsi + rcx + 16]
    movdqu  xmm6, [rsi + rcx + 32]
    movdqu  xmm7, [rsi + rcx + 48]
    pcmpeqb xmm0, xmm4
    pcmpeqb xmm1, xmm5
    pcmpeqb xmm2, xmm6
    pcmpeqb xmm3, xmm7
    pand    xmm0, xmm1
    pand    xmm2, xmm3
    pand    xmm0, xmm2
    pmovmskb eax, xmm0
    cmp     eax, 0xffff
    jne     .Lcmp_next
    add     rcx, 64
    lea     rax, [rcx + 48]
    cmp     rax, rdx
    jbe     .Lcmp_next_64
    cmp     rcx, rdx
    jbe     .Lcmp_next
    mov     rcx, rdx
// rcx = offset of the block; rdx = offset of the last block
.balign 16
.Lcmp_next:
    movdqu  xmm0, [rdi + rcx]
    movdqu  xmm1, [rsi + rcx]
    pcmpeqb xmm0, xmm1
    pmovmskb eax, xmm0
    sub     eax, 0xffff
    jnz     .Lcmp_differ
    cmp     rcx, rdx
    jae     .Lcmp_equal
    add     rcx, 16
    cmp     rcx, rdx
    jbe     .Lcmp_next
    mov     rcx, rdx
    jmp     .Lcmp_next
.Lcmp_differ:
    // The lowest zero bit of the mask is the lowest set bit of mask - 0xffff.
    bsf     eax, eax
    add     rcx, rax
    movzx   eax, byte ptr [rdi + rcx]
    movzx   edx, byte ptr [rsi + rcx]
    sub     eax, edx
    ret
.Lcmp_equal:
    xor     eax, eax
    ret
.balign 16
.Lcmp_below_16:
    cmp     edx, 8
    jb      .Lcmp_below_8
    mov     rax, [rdi]
    mov     r8, [rsi]
    cmp     rax, r8
    jne     .Lcmp_words
    mov     rax, [rdi + rdx - 8]
    mov     r8, [rsi + rdx - 8]
    cmp     rax, r8
    je      .Lcmp_equal
.Lcmp_words:
    bswap   rax
    bswap   r8
    cmp     rax, r8
    sbb     eax, eax
    or      eax, 1
    ret
.Lcmp_below_8:
    cmp     edx, 4
    jb      .Lcmp_below_4
    mov     eax, [rdi]
    mov     r8d, [rsi]
    cmp     eax, r8d
    jne     .Lcmp_dwords
    mov     eax, [rdi + rdx - 4]
    mov     r8d, [rsi + rdx - 4]
    cmp     eax, r8d
    je      .Lcmp_equal
.Lcmp_dwords:
    bswap   eax
    bswap   r8d
    cmp     eax, r8d
    sbb     eax, eax
    or      eax, 1
    ret
.Lcmp_below_4:
    test    edx, edx
    jz      .Lcmp_equal
.Lcmp_byte:
    movzx   eax, byte ptr [rdi + rcx]
    movzx   r8d, byte ptr [rsi + rcx]
    sub     eax, r8d
    jnz     .Lcmp_out
    inc     ecx
    cmp     ecx, edx
    jb      .Lcmp_byte
.Lcmp_out:
    ret

// strlen(rdi = text) -> rax. Aligned blocks never cross into another page.
.balign 32
.globl anchorite_strlen
.type anchorite_strlen,@function
anchorite_strlen:
    pxor    xmm0, xmm0
    mov     rax, rdi
    mov     ecx, edi
    and     rax, -16
    and     ecx, 15
    movdqa  xmm1, [rax]
    pcmpeqb xmm1, xmm0
    pmovmskb edx, xmm1
    shr     edx, cl
    test    edx, edx
    jnz     .Llen_first
.Llen_next:
    add     rax, 16
    movdqa  xmm1, [rax]
    pcmpeqb xmm1, xmm0
    pmovmskb edx, xmm1
    test    edx, edx
    jz      .Llen_next
    bsf     edx, edx
    add     rax, rdx
    sub     rax, rdi
    ret
.Llen_first:
    bsf     eax, edx
    ret
