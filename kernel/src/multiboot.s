// From 32 bits, as a multiboot loader leaves the first core, and from 16 bits, as the
// other cores start on a PC, to where boot.s goes on. See boot.rs and pc.rs.
// Intel syntax, position-independent.

.section .text.anchorite_boot,"ax",@progbits
.code32

// eax = the loader's mark, ebx = what it tells; protected mode without pages, flat
// segments, interrupts off, no stack.
.Lstart_32:
    mov     ebp, eax
    rdtsc
    mov     esi, eax
    mov     edi, edx                // when the kernel started
    cmp     ebp, 0x2badb002
    jne     .Lno_multiboot
    // Where is this? The two amounts of memory in what the loader tells, which its map
    // tells better, are the stack.
    lea     esp, [ebx + 12]
    call    .Lover
.Lhere:                             // what is looked for, from here
    .long   {loader_tables} - .Lhere
    .long   {descriptors} - .Lhere
    .long   .Lfrom_loader - .Lhere
.Lover:
    pop     ebp
    cld

    // Page tables, for ring 3 as well: the first GiB is mapped to itself, but for one
    // large page, in whose place the local APIC is.
    mov     ecx, [ebp]
    add     ecx, ebp
    lea     eax, [ecx + 0x1007]
    mov     [ecx], eax
    lea     eax, [ecx + 0x2007]
    mov     [ecx + 0x1000], eax
    mov     eax, 0x87
    xor     edx, edx
.Lnext_entry:
    mov     [ecx + edx * 8 + 0x2000], eax
    add     eax, 0x200000
    inc     edx
    cmp     edx, 512
    jne     .Lnext_entry
    mov     dword ptr [ecx + {apic_entry} * 8 + 0x2000], 0xfee0009f

    // Long mode.
    mov     cr3, ecx
    mov     eax, cr4
    or      eax, 0x20               // PAE
    mov     cr4, eax
    mov     ecx, 0xc0000080         // EFER.LME
    rdmsr
    or      eax, 0x100
    wrmsr
    mov     eax, cr0
    or      eax, 0x80000000         // PG
    mov     cr0, eax
    mov     eax, [ebp + 4]
    add     eax, ebp
    push    eax
    sub     esp, 2
    mov     word ptr [esp], 0x3f
    lgdt    [esp]
    lea     esp, [ebx + 12]
    push    8
    mov     eax, [ebp + 8]
    add     eax, ebp
    push    eax
    retf

.Lno_multiboot:
    hlt
    jmp     .Lno_multiboot

.code64
.Lfrom_loader:
    mov     r12d, ebx
    xor     r13d, r13d
    lea     r14, [rip + {enter_by_multiboot}]
    mov     r15d, edi
    shl     r15, 32
    mov     eax, esi
    or      r15, rax
    jmp     .Lstart_64

// What is copied below 1 MiB, for the other cores, which start there in real mode: at
// offset 0, with `cs` the copy's address / 16. pc.rs fills in the header.
.balign 16
.globl anchorite_trampoline
anchorite_trampoline:
.code16
    jmp     .Lreal_mode
    .balign 4
.Ltrampoline_root:                  // 4: the page tables
    .long   0
.Ltrampoline_target:                // 8: where to go with 64 bits
    .quad   0
.Ltrampoline_number:                // 16: the next core's number
    .long   1
.Ltrampoline_gdt:                   // 20: limit and address of the first core's segments
    .word   0x3f
    .long   0
.Lreal_mode:
    cli
    mov     ax, cs
    mov     ds, ax
    lgdtd   [.Lgdt_offset]
    mov     eax, cr4
    or      eax, 0x20
    mov     cr4, eax
    mov     eax, [.Lroot_offset]
    mov     cr3, eax
    mov     ecx, 0xc0000080
    rdmsr
    or      eax, 0x100
    wrmsr
    mov     eax, cr0
    and     eax, 0x9fffffff         // caches on
    or      eax, 0x80000001         // PG, PE
    mov     cr0, eax
    .byte   0x66, 0xea              // a far jump, 32 bits wide
    .long   {trampoline} + .Llong_mode - anchorite_trampoline
    .word   8
.code64
.Llong_mode:
    mov     r13d, 1
    lock xadd dword ptr [rip + .Ltrampoline_number], r13d
    jmp     qword ptr [rip + .Ltrampoline_target]
.globl anchorite_trampoline_end
anchorite_trampoline_end:
.set .Lroot_offset, .Ltrampoline_root - anchorite_trampoline
.set .Lgdt_offset, .Ltrampoline_gdt - anchorite_trampoline

// Where the trampoline goes: as for `_start`, with no boot info.
.globl anchorite_start_other_core
anchorite_start_other_core:
    jmp     .Lstart_64
