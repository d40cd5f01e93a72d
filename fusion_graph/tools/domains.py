"""The domain rules of one run."""

from collections.abc import Sequence
from dataclasses import dataclass

from fusion_graph.tools.failures import refused
from fusion_graph.urls import parse_rule, refusal_reason


@dataclass(frozen=True, slots=True)
class DomainRules:
    """Where tools may go: under one rule of each of the `allowed` groups, and under none of `excluded`."""

    allowed: tuple[tuple[str, ...], ...] = ()
    excluded: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls,
        *,
        allowed_domains: Sequence[str] = (),
        excluded_domains: Sequence[str] = (),
        blocked_domains: Sequence[str] = (),
    ) -> "DomainRules":
        """Return the rules in normal form.

        Pages that may not be opened are not listed either, and the reverse: a snippet can hold the answer as well.

        Raises:
            SettingsError: one of them is not a domain rule.
        """
        denied = [parse_rule(rule, field="excluded_domains") for rule in excluded_domains]
        denied += [parse_rule(rule, field="blocked_domains") for rule in blocked_domains]
        group = tuple(parse_rule(rule, field="allowed_domains") for rule in allowed_domains)
        return cls((group,) if group else (), tuple(denied))

    def joined(self, other: "DomainRules") -> "DomainRules":
        """Return rules under which only passes what passes under both."""
        return DomainRules((*self.allowed, *other.allowed), (*self.excluded, *other.excluded))

    @property
    def narrowest(self) -> tuple[str, ...]:
        """The last of the allowed groups, for a service that knows one: it is the nearest to the tool."""
        return self.allowed[-1] if self.allowed else ()

    def let_through(self, url: str) -> bool:
        """Say whether no rule is against `url`."""
        return self._reason(url) is None

    def check(self, url: str) -> None:
        """Raise a ToolException naming the rule that is against `url`, if there is one."""
        if reason := self._reason(url):
            raise refused(f"{reason}. Use another source.")

    def check_not_excluded(self, url: str) -> None:
        """Raise a ToolException if `url`, the address a page gives as its own, is excluded."""
        if reason := refusal_reason(url, excluded=self.excluded):
            raise refused(f"The page says it is a copy: {reason}. Use another source.")

    def _reason(self, url: str) -> str | None:
        reasons = (refusal_reason(url, allowed=group, excluded=self.excluded) for group in self.allowed or [()])
        return next(filter(None, reasons), None)
