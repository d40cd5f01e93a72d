"""The variables of this process, as functions take them by default."""

import os
from collections.abc import Iterator, Mapping


class _Environment(Mapping[str, str]):
    """`os.environ` as it is now, without its values where it is shown: `help()` prints the defaults of a signature."""

    def __getitem__(self, name: str) -> str:
        return os.environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)

    def __repr__(self) -> str:
        return "os.environ"


ENVIRON = _Environment()
