"""Attacks that take more than their share: memory, disk, output, time."""

import re
import unicodedata

from tests.bash.attacks.case import ANYHOW, TOO_LONG, Case, Seen

MIB = 1024 * 1024
_MEMORY = {"memory": 32 * MIB}
_DISK = {"workspace_bytes": 4 * MIB}
_HOLD = "select(undef, undef, undef, 0.5); print qq(HARM\\n)"

MEMORY = [
    Case(
        name="address space",
        guard="ulimit -v",
        command="perl -e 'print \"HARM\\n\" if syscall(@mmap@, 0, 256 << 20, 1, 0x22, -1, 0) != -1'",
        limits={"address_space": 128 * MIB},
    ),
    Case(
        name="memory of one process",
        guard="memory",
        command=f"perl -e '$x = \"x\" x (48 << 20); {_HOLD}'",
        limits=_MEMORY,
        killed="MiB of memory",
    ),
    Case(
        name="memory of many processes",
        guard="memory",
        command=f"for i in 1 2 3 4; do perl -e '$x = \"x\" x (12 << 20); {_HOLD}' & done; wait",
        limits=_MEMORY,
        killed="MiB of memory",
    ),
    Case(
        name="memory of a daemon",
        guard="memory",
        command=f"setsid perl -e 'exit if fork; $x = \"x\" x (48 << 20); {_HOLD}' & wait; sleep 1",
        limits=_MEMORY,
        killed="MiB of memory",
    ),
    Case(
        name="shared memory",
        guard="shared memory",
        command="perl -e '$a = syscall(@mmap@, 0, 48 << 20, 3, 0x21, -1, 0); exit if $a == -1;"
        f" syscall(@madvise@, $a, 48 << 20, 23); {_HOLD}'",
        limits=_MEMORY,
        killed=ANYHOW,
    ),
    Case(
        name="memory of a file in memory",
        guard="shared memory",
        command='f=$(mktemp); truncate -s 48M $f; perl -e \'open($f, "+<", $ARGV[0]); $a = syscall(@mmap@, 0, 48 << 20, 3, 1,'
        f" fileno($f), 0); syscall(@madvise@, $a, 48 << 20, 23); {_HOLD}' $f; rm $f",
        limits=_MEMORY,
        killed="MiB of memory",
    ),
    Case(
        name="shared memory out of sight",
        guard="shared memory",
        command="perl -e 'for (1..12) { $a = syscall(@mmap@, 0, 8 << 20, 3, 0x21, -1, 0); exit if $a == -1;"
        " for (0..7) { $at = $a + ($_ << 20); syscall(@madvise@, $at, 1 << 20, 23); syscall(@madvise@, $at, 1 << 20, 4) }"
        f" syscall(@munmap@, $a + 4096, (8 << 20) - 4096) }} {_HOLD}'",
        limits=_MEMORY,
        killed=ANYHOW,
    ),
    Case(
        name="shared memory of a device",
        guard="shared memory",
        command='perl -e \'open($z, "+<", "/dev/zero") or exit;'
        " for (1..12) { $a = syscall(@mmap@, 0, 8 << 20, 3, 1, fileno($z), 0); exit if $a == -1;"
        " for (0..7) { $at = $a + ($_ << 20); syscall(@madvise@, $at, 1 << 20, 23); syscall(@madvise@, $at, 1 << 20, 4) }"
        f" syscall(@munmap@, $a + 4096, (8 << 20) - 4096) }} {_HOLD}'",
        limits=_MEMORY,
        killed=ANYHOW,
    ),
    Case(
        name="tables of pages",
        guard="page tables",
        command="perl -e 'for (1..8000) { syscall(@mmap@, 0x100000000000 + ($_ << 30), 4096, 1, 0x108022, -1, 0) }"
        f" {_HOLD}'",
        limits=_MEMORY,
        killed=ANYHOW,
    ),
    Case(
        name="memory in small pieces",
        guard="pieces of memory",
        command="for i in 1 2 3 4; do perl -e 'for (1..50000) { syscall(@mmap@, 0, 4096, 1 + 2 * ($_ % 2), 0x22, -1, 0) }"
        f" {_HOLD}' & done; wait",
        limits=_MEMORY,
        killed=ANYHOW,
    ),
    Case(
        name="memory in sockets",
        guard="sockets",
        command="perl -MSocket -e 'for (1..100) { socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or exit; push @all, $a, $b;"
        f' for ($a, $b) {{ $_->blocking(0); 1 while syswrite($_, "x" x 32768) }} }} {_HOLD}\'',
        limits=_MEMORY,
        killed=ANYHOW,
    ),
    Case(
        name="a large file in /tmp",
        guard="--size of /tmp",
        command="f=$(mktemp); head -c 8388608 /dev/zero > $f && echo HARM; rm -f $f",
        limits={"scratch_bytes": 4 * MIB},
    ),
    Case(
        name="a large file in /dev/shm",
        guard="--size of /dev/shm",
        command="f=$(mktemp -p /dev/shm); head -c 8388608 /dev/zero > $f && echo HARM; rm -f $f",
        limits={"shared_bytes": 4 * MIB},
    ),
    Case(
        name="many files in /tmp",
        guard="files in memory",
        command='perl -e \'$d = `mktemp -d`; chomp $d; for (1..4000) { open($f, ">", "$d/$_") or exit; close $f }'
        f' {_HOLD}; system("rm", "-rf", $d)\'',
        limits={"workspace_files": 1000},
        killed=ANYHOW,
    ),
    Case(
        name="many files in /dev/shm",
        guard="files in memory",
        command='perl -e \'$d = `mktemp -d -p /dev/shm`; chomp $d; for (1..4000) { open($f, ">", "$d/$_") or exit; close $f }'
        f' {_HOLD}; system("rm", "-rf", $d)\'',
        limits={"workspace_files": 1000},
        killed=ANYHOW,
    ),
    Case(
        name="many descriptors of one process",
        guard="ulimit -n",
        command='perl -e \'for (1..200) { open(my $f, "<", "/dev/null") or last; push @f, $f } print "HARM\\n" if @f > 100\'',
        limits={"open_files": 64},
    ),
    Case(
        name="many descriptors of many processes",
        guard="descriptors of all",
        command='for i in $(seq 24); do perl -e \'for (1..230) { open(my $f, "<", "/dev/null"); push @f, $f }'
        " sleep 3' & done; sleep 2; echo HARM; kill $(jobs -p)",
        killed="open files",
    ),
]

DISK = [
    Case(name="memory written at a crash", guard="ulimit -c", command='[ "$(ulimit -Hc)" = 0 ] || echo HARM'),
    Case(
        name="one large file",
        guard="ulimit -f",
        command="head -c 2097152 /dev/zero > large && echo HARM",
        limits={"file_bytes": MIB},
    ),
    Case(
        name="many large files",
        guard="workspace bytes",
        command="for i in 1 2 3 4 5 6 7 8; do head -c 1048576 /dev/zero > $i; done; sleep 0.5; echo HARM",
        limits=_DISK,
        killed="its files are more than",
    ),
    Case(
        name="many files",
        guard="workspace files",
        command="perl -e 'for (1..600) { open($f, \">\", $_); close $f }'; sleep 0.5; echo HARM",
        limits={"workspace_files": 300},
        killed="its files are more than",
    ),
    Case(
        name="a file without a name",
        guard="unlinked files",
        command='for i in 3 4 5 6 7 8 9; do eval "exec $i>f"; rm f; head -c 1048576 /dev/zero >&$i; done; sleep 0.5; echo HARM',
        limits=_DISK,
        killed="its files are more than",
    ),
    Case(
        name="a file without a name in a process that hides",
        guard="unlinked files",
        # prctl(PR_SET_DUMPABLE, 0): only root looks into its descriptors then
        command='perl -e \'syscall($ARGV[0], 4, 0, 0, 0, 0); for (1..7) { open(my $f, ">", "f"); unlink "f";'
        f' print $f "x" x (1 << 20); push @f, $f; $f->flush }} {_HOLD}\' $([ $(uname -m) = x86_64 ] && echo 157 || echo 167)',
        limits=_DISK,
        killed=ANYHOW,
    ),
    Case(
        name="a file that only memory holds",
        guard="unlinked files",
        command='perl -e \'for (1..8) { open($f, ">", "f"); print $f "x" x (1 << 20); close $f; open($f, "<", "f");'
        f' syscall(@mmap@, 0, 4096, 1, 1, fileno($f), 0); unlink "f"; close $f }} {_HOLD}\'',
        limits=_DISK,
        killed=ANYHOW,
    ),
    Case(
        name="a file that is on its way through a socket",
        guard="unlinked files",
        command='perl -MSocket -e \'socketpair(A, B, AF_UNIX, SOCK_DGRAM, 0) or die; $d = "x"; $iov = pack("PQ", $d, 1);'
        ' for (1..8) { open($f, ">", "f"); print $f "x" x (1 << 20); close $f; open($f, "<", "f"); unlink "f";'
        ' $c = pack("QiiI x4", 20, 1, 1, fileno($f)); $m = pack("QQPQPQI x4", 0, 0, $iov, 1, $c, 24, 0);'
        f" syscall(@sendmsg@, fileno(A), $m, 0) == 1 or exit; close $f }} {_HOLD}'",
        limits=_DISK,
        killed=ANYHOW,
    ),
    Case(
        name="room that is kept beyond a file's end",
        guard="fallocate",
        command="touch f; fallocate --keep-size --length 8M f && echo HARM",
        limits={"file_bytes": MIB, "workspace_bytes": 64 * MIB},
    ),
    Case(
        name="files with holes take no room",
        guard="sparse files",
        command="for i in 1 2 3 4 5 6 7 8; do truncate -s 1M $i; done; sleep 0.3",
        limits=_DISK,
        control="it is no attack: what is counted is what a file takes",
    ),
    Case(
        name="folders in folders",
        guard="nesting",
        command='perl -e \'for (1..60) { mkdir "d"; chdir "d" }\'; sleep 0.5; echo HARM',
        killed="nested",
    ),
    Case(
        name="very many folders in folders",
        guard="nesting",
        command='perl -e \'for (1..2500) { mkdir "d"; chdir "d" }\'; sleep 0.5; echo HARM',
        killed="nested",
    ),
    Case(
        name="files in a closed folder",
        guard="closed folders",
        command="mkdir d; for i in 1 2 3 4 5 6 7 8; do head -c 1048576 /dev/zero > d/$i; done; chmod 0 d; sleep 0.5; echo HARM",
        limits=_DISK,
        killed="its f",  # root looks inside and counts; another user says that one of its folders is closed
    ),
    Case(
        name="files in a folder that can be listed only",
        guard="closed folders",
        command="mkdir d; for i in 1 2 3 4 5 6 7 8; do head -c 1048576 /dev/zero > d/$i; done; chmod 400 d; sleep 0.5; echo HARM",
        limits=_DISK,
        killed="its f",
    ),
    Case(
        name="the workspace itself is closed",
        guard="closed folders",
        command="head -c 8388608 /dev/zero > f; chmod 0 .; sleep 0.5; echo HARM",
        limits=_DISK,
        killed="its f",
    ),
    Case(
        name="long names",
        guard="workspace files",
        command="n=$(printf 'x%.0s' $(seq 255)); for i in 1 2 3 4 5; do mkdir $n; cd $n; touch f; done; cd /",
        harm=lambda seen: "",
        control="it is no attack: all of it is seen and removed",
    ),
    Case(
        name="names that are no text",
        guard="names",
        command=r"touch $'\xff\xfe' $'a\nb' $'\e[31m' -- '-rf' '*'; mkdir $'\xf0'; touch $'\xf0/\xf1'",
        harm=lambda seen: "",
        control="it is no attack: all of it is seen and removed",
    ),
]


def _seen_by_machines_only(seen: Seen) -> str:
    text = seen.stdout + seen.stderr
    odd = {each for each in text if each not in "\n\t" and unicodedata.category(each) in {"Cc", "Cf", "Cs"}}
    return f"{sorted(map(ascii, odd))}" if odd or "[31m" in text or "title" in text else ""


def _without_ends(seen: Seen) -> str:
    is_whole = (
        seen.stdout.startswith("BEGIN")
        and "END\n" in seen.stdout[-100:]
        and re.search(r"\d bytes left out", seen.stdout)
    )
    return "" if is_whole and len(seen.stdout) < 66_000 else f"{len(seen.stdout)} characters"


OUTPUT = [
    Case(
        name="a flood of output",
        guard="output bytes",
        command="for i in $(seq 40); do head -c 100000 /dev/zero | tr '\\0' x; sleep 0.02; done; echo; echo HARM",
        limits={"output_bytes": MIB},
        killed="of output",
    ),
    Case(
        name="a flood of errors",
        guard="output bytes",
        command="for i in $(seq 40); do head -c 100000 /dev/zero | tr '\\0' x >&2; sleep 0.02; done; echo; echo HARM",
        limits={"output_bytes": MIB},
        killed="of output",
    ),
    Case(
        name="more output than is kept",
        guard="head and tail",
        command="echo BEGIN; head -c 300000 /dev/zero | tr '\\0' x; echo END",
        harm=_without_ends,
    ),
    Case(
        name="codes of terminals",
        guard="shown",
        command=r"printf '\e[31mred\e[0m \a \e]0;title\a \e]8;;http://x\e\\y \x1bc \b \r \x7f \u009b31m'",
        harm=_seen_by_machines_only,
    ),
    Case(
        name="codes of terminals among the errors",
        guard="shown",
        command=r"printf '\e[31mred\e[0m \a \e]0;title\a \b \r' >&2",
        harm=_seen_by_machines_only,
    ),
    Case(
        name="text that turns around or hides",
        guard="shown",
        command=r"LC_ALL=C.UTF-8 printf 'a\u202eb\u2066c\u2069 \u200b \ufeff \U000e0041\U000e0042 \u2062'",
        harm=_seen_by_machines_only,
    ),
    Case(
        name="output that is no text",
        guard="shown",
        command="perl -e 'print map { chr } 0..255; print map { chr(255 - $_) } 0..255'",
        harm=_seen_by_machines_only,
    ),
]

TIME = [
    Case(name="sleep", guard="seconds", command="sleep 1.2; echo HARM", seconds=0.5, killed=TOO_LONG),
    Case(
        name="a busy loop",
        guard="seconds",
        command="end=$((SECONDS + 2)); while ((SECONDS < end)); do :; done; echo HARM",
        seconds=0.5,
        killed=TOO_LONG,
    ),
    Case(
        name="signals are ignored",
        guard="seconds",
        command="trap '' TERM ALRM INT HUP QUIT XCPU; sleep 1.2; echo HARM",
        seconds=0.5,
        killed=TOO_LONG,
    ),
    Case(
        name="a process that has stopped",
        guard="seconds",
        command="( kill -STOP $BASHPID; echo HARM ) & sleep 1.2; kill -CONT $!; wait",
        seconds=0.5,
        killed=TOO_LONG,
    ),
    Case(
        name="output that is closed",
        guard="seconds",
        command="exec 3>&1 > /dev/null 2>&1; exec 1>&- 2>&-; sleep 1.2; echo HARM > harm",
        harm=lambda seen: "it went on" if (seen.folder / "harm").exists() else "",
        seconds=0.5,
        killed=TOO_LONG,
    ),
    Case(
        name="all output is closed",
        guard="seconds",
        command="exec > /dev/null 2>&1; sleep 1.2; echo HARM > harm",
        harm=lambda seen: "it went on" if (seen.folder / "harm").exists() else "",
        seconds=0.5,
        killed=TOO_LONG,
    ),
    Case(
        name="output that trickles",
        guard="seconds",
        command="for i in $(seq 15); do echo x; sleep 0.1; done; echo HARM",
        seconds=0.5,
        killed=TOO_LONG,
    ),
    Case(
        name="many processes that go on",
        guard="seconds",
        command="for i in $(seq 20); do ( trap '' TERM; sleep 1.2; echo HARM ) & done; wait",
        seconds=0.5,
        killed=TOO_LONG,
    ),
    Case(
        name="time of the processor",
        guard="ulimit -t",
        command="perl -e '1 while (times)[0] + (times)[1] < 2.5; print qq(HARM\\n)'",
        limits={"cpu_seconds": 1},
    ),
]

CASES = [*MEMORY, *DISK, *OUTPUT, *TIME]
