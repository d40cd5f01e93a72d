"""Attacks that look or reach out of the sandbox: files, the network, processes, the environment, rights."""

from tests.bash.attacks.case import Case, Seen
from tests.bash.attacks.stage import left_in

_NOBODY_MAY = "no ordinary user may do it without a sandbox, either"


def _heard(seen: Seen) -> str:
    return "a datagram has come" if seen.world.heard() else ""


def _changed(seen: Seen) -> str:
    changed = seen.world.secret.read_text(encoding="ascii") != f"{seen.world.token}\n"
    seen.world.secret.write_text(f"{seen.world.token}\n", encoding="ascii")
    return "the file has changed" if changed else ""


def _left(seen: Seen) -> str:
    return "processes are left" if left_in(seen.folder) else ""


def _shared(seen: Seen) -> str:
    return ", ".join(f"{name} is for all" for name in ("file", "folder") if (seen.folder / name).stat().st_mode & 0o077)


def _perl_connects(family: str, address: str) -> str:
    program = f"socket(S, {family}, SOCK_STREAM, 0) && connect(S, {address}) && print qq(HARM\\n)"
    return f"perl -MSocket -e '{program}'"


# A mount that can be written to, and is none of the sandbox's own.
_WRITABLE = r"""perl -ne '
    ($at, $how) = (split)[4, 5];
    print "HARM $at\n" if $how =~ /(^|,)rw(,|$)/
        && $at !~ m{^/(workspace|tmp|dev/shm|proc|dev/pts|dev/(null|zero|full|u?random|tty|console))$};
' /proc/self/mountinfo"""

FILES = [
    Case(name="a file outside by its path", guard="mounts", command="cat @secret@ && echo HARM"),
    Case(name="a file outside by ..", guard="mounts", command="cat ../../../../../../../..@secret@ && echo HARM"),
    Case(name="a file outside by a link", guard="mounts", command="ln -s @secret@ link; cat link && echo HARM"),
    Case(name="a file outside by a hard link", guard="mounts", command="ln @secret@ hard && cat hard && echo HARM"),
    Case(
        name="a file outside by the root of a process",
        guard="mounts",
        command="cat /proc/1/root@secret@ || cat /proc/[0-9]*/root@secret@ | grep . && echo HARM",
    ),
    Case(
        name="a file outside by the folder of a process",
        guard="mounts",
        command="cat /proc/[0-9]*/cwd/../../../outside/secret | grep . && echo HARM",
    ),
    Case(name="a file outside is written to", guard="mounts", command="echo more >> @secret@", harm=_changed),
    Case(name="the files of another seat", guard="mounts", command="cat @other@/note && echo HARM"),
    Case(name="the folders of other seats", guard="mounts", command="cd @other@/.. && echo HARM"),
    Case(name="settings of the machine", guard="mounts", command="cat /etc/fstab /etc/hosts | grep -q . && echo HARM"),
    Case(
        name="folders of the machine",
        guard="mounts",
        command="for at in /home /root /var /sys /boot /srv /mnt /opt; do [ -e $at ] && echo HARM $at; done; true",
    ),
    Case(name="a mount that can be written to", guard="read-only", command=_WRITABLE),
    Case(
        name="files beside the system's",
        guard="remount-ro",
        command="for at in / /usr /etc /dev /run /bin /lib /proc /proc/sys; do touch $at/fusion && echo HARM $at; done",
        control=_NOBODY_MAY,
    ),
    Case(
        name="settings of the kernel",
        guard="/proc/sys",
        command="grep -qE '^[^ ]+ /proc/sys [^ ]+ ro,' /proc/self/mounts || echo HARM",
    ),
    Case(
        name="what the kernel starts at a crash",
        guard="/proc/sys",
        command="( exec 3>> /proc/sys/kernel/core_pattern ) && echo HARM",
        control=_NOBODY_MAY,
    ),
    Case(
        name="the keys of the kernel",
        guard="/proc",
        command="( exec 3>> /proc/sysrq-trigger ) && echo HARM",
        control=_NOBODY_MAY,
    ),
    Case(
        name="devices of the machine",
        guard="--dev",
        command="find /dev -type b -o -type c | grep -vE '^/dev/(null|zero|full|u?random|tty|console|ptmx|pts/.*)$'"
        " && echo HARM",
    ),
    Case(
        name="a device of its own",
        guard="mknod",
        command="mknod null c 1 3 && echo HARM; mknod disk b 254 0 && echo HARM",
        control=_NOBODY_MAY,
    ),
]

NETWORK = [
    Case(name="a port of the machine", guard="network", command="( exec 3<>/dev/tcp/127.0.0.1/@tcp@ ) && echo HARM"),
    Case(
        name="a port of the machine by a mapped address",
        guard="network",
        command="perl -MSocket=:all -e 'socket(S, AF_INET6, SOCK_STREAM, 0)"
        ' && connect(S, pack_sockaddr_in6(@tcp@, inet_pton(AF_INET6, "::ffff:127.0.0.1"))) && print "HARM\\n"\'',
    ),
    Case(
        name="a datagram to the machine",
        guard="network",
        command="echo hello > /dev/udp/127.0.0.1/@udp@; sleep 0.1",
        harm=_heard,
    ),
    Case(
        name="an abstract socket of the machine",
        guard="network",
        command=_perl_connects("AF_UNIX", 'pack("Sa*", AF_UNIX, "\\0@abstract@")'),
    ),
    Case(
        name="a socket file of the machine",
        guard="mounts",
        command=_perl_connects("AF_UNIX", 'sockaddr_un("@socket@")'),
    ),
    Case(
        name="a name server",
        guard="network",
        command="perl -MSocket -e 'socket(S, AF_INET, SOCK_DGRAM, 0)"
        ' && connect(S, sockaddr_in(53, inet_aton("192.0.2.53"))) && print "HARM\\n"\'',
        control="a machine need not have a way to others",
    ),
    Case(
        name="the machine's network cards",
        guard="network",
        command="tail -n +3 /proc/net/dev | grep -vE '^ *lo:' | grep -q . && echo HARM",
        control="a machine need not have a way to others",
    ),
    Case(
        name="a raw socket",
        guard="capabilities",
        command="perl -MSocket -e 'socket(S, AF_INET, SOCK_RAW, 1) && print qq(HARM\\n)'",
        control=_NOBODY_MAY,
    ),
]

PROCESSES = [
    Case(name="a signal to a process of the machine", guard="processes", command="kill -0 @victim@ && echo HARM"),
    Case(name="the processes of the machine", guard="processes", command="[ -d /proc/@victim@ ] && echo HARM"),
    Case(name="the parent's process", guard="processes", command='[ "$PPID" = 0 ] || echo HARM'),
    Case(
        name="the first process is bubblewrap's own",
        guard="--as-pid-1",
        command='[ "$(cat /proc/1/comm)" = bash ] || echo HARM',
    ),
    Case(
        name="a daemon by setsid",
        guard="pid namespace",
        command="setsid sleep 5 > /dev/null 2>&1 & sleep 0.1",
        harm=_left,
    ),
    Case(
        name="a daemon by nohup",
        guard="pid namespace",
        command="nohup sleep 5 > /dev/null 2>&1 & sleep 0.1",
        harm=_left,
    ),
    Case(
        name="a daemon by two forks",
        guard="pid namespace",
        command="perl -MPOSIX -e 'exit if fork; setsid; exit if fork; POSIX::close($_) for 0..20; sleep 5'; sleep 0.1",
        harm=_left,
    ),
    Case(
        name="a daemon that holds the output",
        guard="pid namespace",
        command="setsid sleep 2 & sleep 0.1; echo HARM of none > /dev/null",
        harm=_left,
        control="whoever waits for the output waits for the daemon",
    ),
    Case(
        name="a bomb of processes",
        guard="ulimit -u",
        command="perl -e 'for (1..200) { $p = fork; last unless defined $p; if (!$p) { sleep 3; exit } push @p, $p }"
        ' print "HARM\\n" if @p > 100; kill 9, @p\'',
        limits={"processes": 24},
    ),
]

ENVIRONMENT = [
    Case(
        name="variables of the parent",
        guard="env",
        command="cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -q '^FUSION_CANARY=' && echo HARM",
    ),
    Case(name="a variable of its own", guard="env", command="env | grep -q ^FUSION && echo HARM"),
    Case(
        name="descriptors of the parent",
        guard="close_fds",
        command="readlink /proc/[0-9]*/fd/* | grep -q -e canary && echo HARM",
    ),
    Case(
        name="descriptors of the sandbox's own",
        guard="descriptors",
        command="readlink /proc/[0-9]*/fd/* | grep -q -e memfd && echo HARM",
        control="without a sandbox there are none",
    ),
    Case(name="the name of the machine", guard="--hostname", command='[ "$(uname -n)" = sandbox ] || echo HARM'),
    Case(name="the user", guard="--uid", command='[ "$(id -u):$(id -g):$(id -G)" = 1000:1000:1000 ] || echo HARM'),
    Case(name="files for all", guard="umask", command="touch file; mkdir folder", harm=_shared),
    Case(
        name="a command of 300 KB",
        guard="memfd",
        command=f": {'x' * 300_000}",
        control="it is no attack; one argument of a process has 128 KiB",
    ),
]

RIGHTS = [
    Case(
        name="capabilities",
        guard="capabilities",
        command="grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):' /proc/self/status | grep -v ':.0*$' && echo HARM",
    ),
    Case(
        name="programs that give rights",
        guard="no_new_privs",
        command="grep -q '^NoNewPrivs:.1$' /proc/self/status || echo HARM",
    ),
    Case(name="no filter", guard="--seccomp", command="grep -q '^Seccomp:.2$' /proc/self/status || echo HARM"),
    Case(
        name="a namespace of users in this one",
        guard="nested namespaces",
        command="unshare --user --map-root-user true && echo HARM",
        control="the machine may forbid it to ordinary users",
    ),
    Case(
        name="a mount in a namespace of its own",
        guard="nested namespaces",
        command="unshare --user --map-root-user --mount mount -t tmpfs none /tmp && echo HARM",
        control="the machine may forbid it to ordinary users",
    ),
    Case(
        name="the numbers of another architecture",
        guard="architecture",
        # An ELF program of x86_64 that asks by `int 0x80` for its process id, and ends with 0 if it gets one.
        command="""perl -e 'print pack("H*", "7f454c4602010100000000000000000002003e0001000000780040000000000040000000"
            . "0000000000000000000000000000000040003800010000000000000001000000050000000000000000000000000040000000"
            . "0000000040000000000090000000000000009000000000000000001000000000"
            . "0000b814000000cd8085c07e0731ffb83c0000000f05bf010000006a3c580f05")' > program
            chmod +x program; [ "$(uname -m)" = x86_64 ] && ./program && echo HARM""",
        control="not every kernel has them",
    ),
]


CASES = [*FILES, *NETWORK, *PROCESSES, *ENVIRONMENT, *RIGHTS]
