"""The domain rules of one run."""

from collections.abc import Sequence
from dataclasses import dataclass

from fusion_graph.tools.failures import refused
from fusion_graph.urls import parse_rule, refusal_reason


@dataclass(frozen=True, slots=True)
class DomainRules:
    """Where a run's tools may go: under one of `allowed` if there are any, under none of `excluded`."""

    allowed: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @classmethod
    def parse(cls, *, allowed: Sequence[str], excluded: Sequence[str], blocked: Sequence[str]) -> "DomainRules":
        """Return the rules in normal form.

        Pages that may not be opened are not listed either, and the reverse: a snippet can hold the answer as well.

        Raises:
            SettingsError: one of them is not a domain rule.
        """
        denied = [parse_rule(rule, field="excluded_domains") for rule in excluded]
        denied += [parse_rule(rule, field="blocked_domains") for rule in blocked]
        return cls(tuple(parse_rule(rule, field="allowed_domains") for rule in allowed), tuple(denied))

    def let_through(self, url: str) -> bool:
        """Say whether no rule is against `url`."""
        return refusal_reason(url, allowed=self.allowed, excluded=self.excluded) is None

    def check(self, url: str) -> None:
        """Raise a ToolException naming the rule that is against `url`, if there is one."""
        if reason := refusal_reason(url, allowed=self.allowed, excluded=self.excluded):
            raise refused(f"{reason}. Use another source.")

    def check_not_excluded(self, url: str) -> None:
        """Raise a ToolException if `url`, the address a page gives as its own, is excluded."""
        if reason := refusal_reason(url, excluded=self.excluded):
            raise refused(f"The page says it is a copy: {reason}. Use another source.")
