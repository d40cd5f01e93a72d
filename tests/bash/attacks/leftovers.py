"""Attacks that wait in the workspace for whoever opens it after the command."""

from tests.bash.attacks.case import ANYHOW, Case, Seen
from tests.bash.attacks.stage import untidy


def _untidy(seen: Seen) -> str:
    return untidy(seen.folder)


def _lost(seen: Seen) -> str:
    return "" if (seen.folder / "link").read_text() == "here\n" else "a link that stays inside is broken"


# Twenty folders of 255 letters in each other: Python cannot name what is in them, the kernel follows links to it.
_LONG = """perl -e '$n = "a" x 255; for (1..20) { mkdir $n; chdir $n } symlink "@secret@", "out";
    chdir ".." for 1..5; symlink "$n/$n/$n/$n/$n/out", "b";
    chdir ".." for 1..15; symlink join("/", ($n) x 15) . "/b", "a"'"""

CASES = [
    Case(name="a pipe with a name", guard="mknodat", command="mkfifo fifo", harm=_untidy),
    Case(
        name="a socket file",
        guard="special files",
        command="perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un(\"socket\"))'",
        harm=_untidy,
    ),
    Case(name="a link out of the workspace", guard="links", command="ln -s @secret@ link", harm=_untidy),
    Case(name="a relative link out of it", guard="links", command="ln -s ../../../outside/secret link", harm=_untidy),
    Case(name="a link to the folder above", guard="links", command="mkdir d; ln -s ../.. d/link", harm=_untidy),
    Case(
        name="a link to the system", guard="links", command="ln -s /proc/self/environ link; ln -s / root", harm=_untidy
    ),
    Case(
        name="a link out of it through another",
        guard="links",
        command="mkdir -p d/e/f; ln -s ../../.. d/e/f/up; ln -s d/e/f/up/../../../outside/secret link; ln -s link again",
        harm=_untidy,
    ),
    Case(
        name="a link out of it through its own name",
        guard="links",
        command="ln -s /workspace/../../etc/passwd link; ln -s @base@/outside/secret other",
        harm=_untidy,
    ),
    Case(name="links out of long paths", guard="links", command=_LONG, harm=_untidy),
    Case(
        name="a long chain of links",
        guard="links",
        command="for i in $(seq 1500); do echo $i $((i + 1)); done | perl -ane 'symlink $F[1], $F[0]';"
        " for i in $(seq 50); do ln -s @secret@ out$i; done",
        harm=_untidy,
    ),
    Case(
        name="a link too long to be written anew",
        guard="links",
        command="mkdir -p d/d/d/d/d/d; for i in $(seq 20); do ln -s @secret@ out$i; done;"
        ' perl -e \'symlink "/workspace/" . ("x/" x 2040) . "xyz", "d/d/d/d/d/d/link"\'',
        harm=_untidy,
    ),
    Case(
        name="a link that stays inside",
        guard="inner links",
        command="mkdir d; echo here > file; ln -s /workspace/file link; ln -s ../file d/link",
        harm=_lost,
        control="it is no attack, and /workspace is of the sandbox",
    ),
    Case(
        name="a file with rights of its owner", guard="setuid", command="cp /usr/bin/true t; chmod u+s t", harm=_untidy
    ),
    Case(
        name="a file with rights of its group", guard="setuid", command="cp /usr/bin/true t; chmod g+s t", harm=_untidy
    ),
    Case(name="a folder with rights of its group", guard="setuid", command="mkdir d; chmod g+s d", harm=_untidy),
    Case(name="a file by install", guard="setuid", command="install -m 6755 /usr/bin/true t", harm=_untidy),
    Case(name="a folder of all", guard="rights", command="mkdir d; chmod 1777 d", harm=_untidy),
    Case(
        name="closed folders and files",
        guard="rights",
        command="mkdir -p d/e; touch d/f d/e/f; chmod 0 d/f d/e/f d/e d",
        killed=ANYHOW,  # to an ordinary user a closed folder hides what is in it: at the next look it is ended
        harm=_untidy,
    ),
    Case(
        name="closed folders in folders",
        guard="rights",
        command='perl -e \'for (1..30) { mkdir "d"; chdir "d" } for (1..30) { chdir ".."; chmod 0, "d" }\'',
        killed=ANYHOW,  # to an ordinary user a closed folder hides what is in it: at the next look it is ended
        harm=_untidy,
        control="it is no attack: its owner may do so, and cannot look inside",
    ),
    Case(name="a workspace for all", guard="its mode", command="chmod 777 .", harm=_untidy),
    Case(
        name="a closed workspace",
        guard="its mode",
        command="chmod 0 .",
        killed=ANYHOW,
        harm=lambda seen: "it is closed" if seen.folder.stat().st_mode & 0o777 == 0 else "",
    ),
]
