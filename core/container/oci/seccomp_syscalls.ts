/**
 * System calls by what they do: those every container may make, those that need a capability, and
 * those nobody gets. Names are those of libseccomp for all architectures; a runtime leaves out what
 * its libseccomp or the architecture does not have. syscalls(2).
 */

const words = (text: string): string[] => text.trim().split(/\s+/);

/** Open to everyone. A call that is in no list of this file is answered with ENOSYS. */
export const OPEN_CALLS: readonly string[] = [
  // Open, read, write, and where one stands in a file.
  ...words(`open openat openat2 creat close close_range read write readv writev pread64 pwrite64
    preadv pwritev preadv2 pwritev2 lseek _llseek truncate truncate64 ftruncate ftruncate64
    fallocate fadvise64 fadvise64_64 arm_fadvise64_64 readahead sendfile sendfile64
    copy_file_range splice tee sync fsync fdatasync syncfs sync_file_range sync_file_range2
    arm_sync_file_range cachestat`),
  // Descriptors.
  ...words(`dup dup2 dup3 fcntl fcntl64 flock ioctl pipe pipe2 eventfd eventfd2 signalfd signalfd4
    memfd_create memfd_secret`),
  // Names and metadata.
  ...words(`stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64
    fstatfs fstatfs64 access faccessat faccessat2 readlink readlinkat getdents getdents64 readdir
    getcwd chdir fchdir mkdir mkdirat mknod mknodat rmdir unlink unlinkat rename renameat renameat2
    link linkat symlink symlinkat chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32
    lchown lchown32 fchownat utime utimes futimesat utimensat utimensat_time64 umask
    name_to_handle_at file_getattr file_setattr`),
  ...words(`getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat
    listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr
    removexattrat`),
  // Waiting for files and sockets.
  ...words(`poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create
    epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2
    inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark`),
  ...words(`io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents
    io_pgetevents_time64`),
  // Memory.
  ...words(`brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 munlock
    mlockall munlockall remap_file_pages membarrier mseal map_shadow_stack pkey_alloc pkey_free
    pkey_mprotect get_mempolicy set_mempolicy mbind set_mempolicy_home_node process_mrelease`),
  // Processes and threads. clone and clone3 are rules of their own.
  ...words(`fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid
    getpgid getpgrp setpgid getsid setsid set_tid_address set_thread_area get_thread_area
    set_robust_list get_robust_list futex futex_time64 futex_waitv futex_wait futex_wake
    futex_requeue rseq restart_syscall pidfd_open pidfd_send_signal prctl getcpu seccomp
    landlock_create_ruleset landlock_add_rule landlock_restrict_self lsm_get_self_attr
    lsm_set_self_attr lsm_list_modules uretprobe`),
  // Who one is.
  ...words(`getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid
    getresuid32 getresgid getresgid32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid
    setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32
    getgroups getgroups32 setgroups setgroups32 capget capset`),
  // Scheduling and limits.
  ...words(`sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam
    sched_getscheduler sched_setscheduler sched_getattr sched_setattr sched_get_priority_max
    sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64 getpriority
    setpriority ioprio_get ioprio_set getrlimit ugetrlimit setrlimit prlimit64 getrusage times
    sysinfo uname`),
  // Signals.
  ...words(`kill tkill tgkill pause alarm signal sigaction sigaltstack sigpending sigprocmask
    sigreturn sigsuspend rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
    rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo`),
  // Time; setting the clock needs a capability, adjtimex without one only reads.
  ...words(`time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64
    clock_nanosleep clock_nanosleep_time64 nanosleep adjtimex clock_adjtime clock_adjtime64
    getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
    timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
    timerfd_settime64`),
  // Sockets. socket itself is a rule of its own.
  ...words(`socketcall socketpair bind listen accept accept4 connect shutdown getsockname
    getpeername getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg
    recvmmsg_time64`),
  // System V and POSIX queues, semaphores, shared memory.
  ...words(`ipc msgget msgctl msgsnd msgrcv semget semctl semop semtimedop semtimedop_time64 shmget
    shmctl shmat shmdt mq_open mq_unlink mq_notify mq_getsetattr mq_timedreceive
    mq_timedreceive_time64 mq_timedsend mq_timedsend_time64`),
  ...words(`getrandom syscall`),
];

/** Calls only some architectures have, by Go's name of the architecture. */
export const ARCHITECTURE_CALLS: Readonly<Record<string, readonly string[]>> = {
  amd64: ["arch_prctl", "modify_ldt"],
  "386": ["modify_ldt"],
  arm64: ["breakpoint", "cacheflush", "set_tls"],
  arm: ["breakpoint", "cacheflush", "set_tls", "get_tls"],
  riscv64: ["riscv_flush_icache", "riscv_hwprobe"],
  ppc64le: ["sync_file_range2", "swapcontext"],
  s390x: ["s390_pci_mmio_read", "s390_pci_mmio_write", "s390_runtime_instr"],
};

/** Calls that need one of some capabilities; without it they are answered with EPERM. */
export const GUARDED_CALLS: readonly {
  readonly capabilities: readonly string[];
  readonly calls: readonly string[];
}[] = [
  {
    // Namespaces and mounts: the large attack surface of unprivileged namespaces.
    capabilities: ["CAP_SYS_ADMIN"],
    calls: words(`unshare setns mount umount umount2 pivot_root mount_setattr move_mount open_tree
      open_tree_attr fsopen fsconfig fsmount fspick fanotify_init lookup_dcookie quotactl
      quotactl_fd sethostname setdomainname swapon swapoff`),
  },
  { capabilities: ["CAP_SYS_ADMIN", "CAP_BPF"], calls: ["bpf"] },
  { capabilities: ["CAP_SYS_ADMIN", "CAP_PERFMON"], calls: ["perf_event_open"] },
  { capabilities: ["CAP_SYS_ADMIN", "CAP_SYSLOG"], calls: ["syslog"] },
  { capabilities: ["CAP_DAC_READ_SEARCH"], calls: ["open_by_handle_at"] },
  { capabilities: ["CAP_SYS_BOOT"], calls: ["reboot", "kexec_load", "kexec_file_load"] },
  { capabilities: ["CAP_SYS_CHROOT"], calls: ["chroot"] },
  {
    capabilities: ["CAP_SYS_MODULE"],
    calls: ["init_module", "finit_module", "delete_module"],
  },
  { capabilities: ["CAP_SYS_NICE"], calls: ["move_pages", "migrate_pages"] },
  { capabilities: ["CAP_SYS_PACCT"], calls: ["acct"] },
  {
    capabilities: ["CAP_SYS_PTRACE"],
    calls: ["kcmp", "pidfd_getfd", "process_madvise", "userfaultfd"],
  },
  { capabilities: ["CAP_SYS_RAWIO"], calls: ["ioperm", "iopl"] },
  {
    capabilities: ["CAP_SYS_TIME"],
    calls: ["settimeofday", "stime", "clock_settime", "clock_settime64"],
  },
  { capabilities: ["CAP_SYS_TTY_CONFIG"], calls: ["vhangup"] },
];

/**
 * Reading and steering one's own children. Before Linux 4.8 a tracer could change a system call
 * after seccomp had looked at it (seccomp(2), "SECCOMP_RET_TRACE"), so it needs a capability there.
 */
export const TRACING_CALLS: readonly string[] = words("ptrace process_vm_readv process_vm_writev");

/**
 * Answered with EPERM whatever the capabilities: keyrings are not separated between containers, and
 * vmsplice shares pages of pipes. Dead calls (uselib, ustat, vm86, …) are in no list: ENOSYS is the
 * truth about them.
 */
export const REFUSED_CALLS: readonly string[] = words("add_key request_key keyctl vmsplice");
