// The ring-0 stub: boot, traps, and two services. See boot.rs and trap.rs.
// Intel syntax. Everything here may be interpreted at 0.6 µs an instruction,
// without SSE, so it is short, and all that can be done in ring 3 is done there.

.section .text.anchorite_boot,"ax",@progbits

// A loader of multiboot images enters here, so many bytes before `_start` as
// `anchorite_interface::MULTIBOOT_ENTRY_BYTES` says.
.balign 16
.code32
    jmp     .Lstart_32
.code64
.balign 16

// uhyve starts every core here: ring 0, long mode, uhyve's own page tables.
// rdi = boot info, rsi = the core's number, interrupts off, no stack to use.
.globl _start
.type _start,@function
_start:
    rdtsc
    shl     rdx, 32
    or      rax, rdx
    mov     r15, rax                // when the kernel started
    mov     r12, rdi
    mov     r13d, esi
    lea     r14, [rip + {enter_by_uhyve}]

    // r12 = what the loader tells, r13 = the core's number, r14 = where the first core
    // goes in ring 3, r15 = when the kernel started.
.Lstart_64:
    // SSE on, x87 native, alignment checks as a program asks for them; no write
    // in ring 0 to what ring 3 may not write.
    mov     rax, cr0
    and     eax, ~0xc               // not EM, TS
    or      eax, 0x50022            // AM, WP, NE, MP
    mov     cr0, rax
    mov     rax, cr4
    or      eax, 0x600              // OSFXSR, OSXMMEXCPT
    mov     cr4, rax
    mov     ecx, 0xc0000080         // EFER: pages may be not executable
    rdmsr
    or      eax, 0x800
    wrmsr

    test    r13d, r13d
    jnz     .Lother_core

    // Ring 3 must be able to use the memory from boot info to the image's end
    // until it has made its own page tables: set the user bit on the way there.
    mov     rbx, cr3
    and     rbx, -4096
    mov     r9, 0x000ffffffffff000
    mov     rax, r12
    and     rax, -0x200000
    lea     rcx, [rip + _end]
.Lnext_page:
    mov     rdx, rax
    shr     rdx, 39
    and     edx, 511
    or      qword ptr [rbx + rdx * 8], 4
    mov     rsi, [rbx + rdx * 8]
    and     rsi, r9
    mov     rdx, rax
    shr     rdx, 30
    and     edx, 511
    or      qword ptr [rsi + rdx * 8], 4
    mov     rsi, [rsi + rdx * 8]
    and     rsi, r9
    mov     rdx, rax
    shr     rdx, 21
    and     edx, 511
    or      qword ptr [rsi + rdx * 8], 4
    add     rax, 0x200000
    cmp     rax, rcx
    jb      .Lnext_page
    mov     cr3, rbx

    // Which kind of KVM: how long do 64 instructions take in ring 0?
    rdtsc
    mov     r8d, eax
    .rept 64
    nop
    .endr
    rdtsc
    sub     eax, r8d
    mov     ebp, eax

    // The first core's structure.
    lea     rbx, [rip + {boot_core}]
    mov     [rbx], rbx
    lea     rax, [rip + {boot_task}]
    mov     [rbx + {core_task}], rax
    lea     rax, [rip + {boot_stack} + {boot_stack_bytes} - 8]
    mov     [rbx + {core_entry_top}], rax
    sub     rax, {boot_stack_bytes} / 2
    mov     [rbx + {core_report_top}], rax
    lea     rsi, [rip + {descriptors}]
    lea     rdi, [rbx + {core_gdt}]
    mov     ecx, {segments}
    cld
    rep movsq
    jmp     .Lenter_ring_3

// A core other than the first waits until the first has made its structure.
.Lother_core:
    cmp     r13d, {max_cores}
    jae     .Lno_such_core
    lea     rax, [rip + {cores}]
.Lwait:
    pause
    mov     rbx, [rax + r13 * 8]
    test    rbx, rbx
    jz      .Lwait
    // The hypervisor's page tables do not have it; the kernel's own do.
    mov     rax, [rip + {root}]
    mov     cr3, rax
    lea     r14, [rip + {enter_other_core}]
    jmp     .Lenter_ring_3
.Lno_such_core:
    hlt
    jmp     .Lno_such_core

// rbx = this core's structure, r14 = where to go in ring 3.
.Lenter_ring_3:
    // The task segment: where its I/O bitmap is, which a byte of ones ends.
    mov     rax, [rbx + {core_task}]
    mov     rsi, rax
    mov     word ptr [rsi + 102], {task_ports}
    mov     byte ptr [rsi + {task_end}], 0xff
    // Its descriptor, whose base is in pieces.
    mov     [rbx + {core_gdt} + 0x32], ax
    shr     rax, 16
    mov     [rbx + {core_gdt} + 0x34], al
    mov     [rbx + {core_gdt} + 0x37], ah
    shr     rax, 16
    mov     [rbx + {core_gdt} + 0x38], eax
    // Exceptions come in on this core's trap stack; it serves here as well.
    lea     rsp, [rbx + {core_trap_top}]
    mov     [rsi + 4], rsp
    sub     rsp, 16
    mov     word ptr [rsp], 0x3f
    lea     rax, [rbx + {core_gdt}]
    mov     [rsp + 2], rax
    lgdt    [rsp]
    mov     word ptr [rsp], {idt_limit}
    lea     rax, [rip + {idt}]
    mov     [rsp + 2], rax
    lidt    [rsp]
    mov     eax, 0x30
    ltr     ax
    mov     eax, 0x23
    mov     ds, eax
    mov     es, eax
    mov     fs, eax
    mov     gs, eax
    mov     ecx, 0xc0000101         // the base of gs: this core's structure
    mov     rax, rbx
    mov     rdx, rbx
    shr     rdx, 32
    wrmsr
    push    0x23
    push    qword ptr [rbx + {core_entry_top}]
    push    2
    push    0x2b
    push    r14
    mov     rdi, rbx
    mov     rsi, r12
    mov     rdx, r15
    mov     ecx, ebp
    xor     ebp, ebp
    iretq

// Exceptions. The processor has switched to this core's trap stack, so that
// what is pushed lies right below `core_trap_top`; trap.rs has it as `Frame`.
.macro vector number, error_code
    .balign 16
    .ifeq \error_code
    push    0
    .endif
    push    \number
    jmp     .Ltrap
.endm

.balign 16
.globl anchorite_vectors
anchorite_vectors:
    vector 0, 0
    vector 1, 0
    vector 2, 0
    vector 3, 0
    vector 4, 0
    vector 5, 0
.balign 16
    jmp     .Linvalid_instruction
    vector 7, 0
    vector 8, 1
    vector 9, 0
    vector 10, 1
    vector 11, 1
    vector 12, 1
    vector 13, 1
    vector 14, 1
    vector 15, 0
    vector 16, 0
    vector 17, 1
    vector 18, 0
    vector 19, 0
    vector 20, 0
    vector 21, 1
    vector 22, 0
    vector 23, 0
    vector 24, 0
    vector 25, 0
    vector 26, 0
    vector 27, 0
    vector 28, 0
    vector 29, 1
    vector 30, 1
    vector 31, 0

.balign 16
.Ltrap:
    push    r15
    push    r14
    push    r13
    push    r12
    push    r11
    push    r10
    push    r9
    push    r8
    push    rbp
    push    rdi
    push    rsi
    push    rdx
    push    rcx
    push    rbx
    push    rax
    mov     rax, cr2
    push    rax
    // From ring 0: this stub itself is broken, and no stack can be trusted.
    test    byte ptr [rsp + {frame_cs}], 3
    jz      .Llast_words
    lea     rbx, [rsp + {frame_bytes} - {core_trap_top}]
    // From the reporter: it must not be started again.
    cmp     dword ptr [rbx + {core_reporting}], 0
    jne     .Llast_words
    mov     dword ptr [rbx + {core_reporting}], 1
    // The reporter runs in ring 3 on a stack of its own.
    mov     rdi, rsp
    mov     rsi, rbx
    push    0x23
    push    qword ptr [rbx + {core_report_top}]
    push    2
    push    0x2b
    lea     rax, [rip + {report}]
    push    rax
    iretq

.Llast_words:
    lea     rdi, [rip + {last_words}]
    movzx   ebx, word ptr [rip + {uart}]
    test    ebx, ebx
    jnz     .Llast_words_by_uart
    mov     edx, 0x1030             // SerialWriteBuffer
    xor     eax, eax
    out     dx, eax
    mov     edi, {last_words_status}
    mov     edx, 0x1010             // Exit
    out     dx, eax
.Lstop:
    hlt
    jmp     .Lstop

.Llast_words_by_uart:
    mov     rcx, [rdi]
    mov     rsi, [rdi + 8]
.Lwait_for_uart:
    lea     edx, [rbx + 5]
    in      al, dx
    test    al, 0x20                // it takes a byte
    jz      .Lwait_for_uart
    mov     edx, ebx
    outsb
    dec     rcx
    jnz     .Lwait_for_uart
    mov     edx, {exit_port}
    out     dx, eax
    jmp     .Lstop

// A service for ring 3, extern "C" fn(root: u64): use the page tables at
// `root` from now on, or the same ones again after a change to them. It comes in
// as an invalid instruction at this very place, since page-table virtualised KVM
// knows no `int` from ring 3 (it raises an invalid instruction itself).
.balign 16
.globl anchorite_set_page_tables
.type anchorite_set_page_tables,@function
anchorite_set_page_tables:
.Lservice:
    ud2
    ret

// And the other one, extern "C" fn() -> !, for the end of a PC that cannot be turned off:
// this core stands still.
.globl anchorite_stand_still
.type anchorite_stand_still,@function
anchorite_stand_still:
    ud2

.Linvalid_instruction:
    push    rax
    lea     rax, [rip + anchorite_stand_still]
    cmp     [rsp + 8], rax
    je      .Lstop
    lea     rax, [rip + .Lservice]
    cmp     [rsp + 8], rax
    jne     .Lno_service
    mov     cr3, rdi
    pop     rax
    add     qword ptr [rsp], 2
    iretq
.Lno_service:
    pop     rax
    push    0
    push    6
    jmp     .Ltrap
