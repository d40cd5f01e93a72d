"""The judge's report: its JSON schema, and a lenient parse of what comes."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from fusion_graph.report import readings

Text: TypeAlias = Annotated[str, BeforeValidator(readings.text)]
Texts: TypeAlias = Annotated[list[str], BeforeValidator(readings.texts)]
Numbers: TypeAlias = Annotated[list[int], BeforeValidator(readings.numbers)]
Labels: TypeAlias = Annotated[list[str], BeforeValidator(readings.labels)]
JoinedLabels: TypeAlias = Annotated[str, BeforeValidator(readings.joined_labels)]
OneLabel: TypeAlias = Annotated[str, BeforeValidator(readings.one_label)]

# What strict structured output takes; OpenAI refuses some of the rest, Google much of it.
_KEYWORDS = ("type", "properties", "items")


def _called(*names: str) -> Any:
    """Return a field by the first name; the others are what models call it unasked."""
    return Field(validation_alias=AliasChoices(*names))


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)


class ReportPoint(_Part):
    """A point and the answers that make it."""

    point: Text = _called("point", "claim", "text", "insight")
    answers: Labels = _called("answers", "answer", "labels")
    sources: Numbers = Field(default_factory=list)


class ReportStance(_Part):
    """One side of a contradiction; answers that share it may be named together."""

    answer: JoinedLabels = _called("answer", "answers", "label")
    stance: Text = _called("stance", "position", "text")
    sources: Numbers = Field(default_factory=list)


class ReportContradiction(_Part):
    """A subject on which answers exclude one another."""

    topic: Text = _called("topic", "subject")
    stances: Annotated[list[ReportStance], BeforeValidator(readings.listed)]
    better_supported: OneLabel = ""


class ReportInsight(_Part):
    """What one answer alone found."""

    insight: Text = _called("insight", "point", "claim", "text")
    answer: JoinedLabels = _called("answer", "answers", "label")
    sources: Numbers = Field(default_factory=list)


class ReportStrongest(_Part):
    """The answer to start from."""

    answer: OneLabel = ""
    why: Text = ""
    missing_or_wrong: Texts = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _from_label(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping) else {"answer": value}


Points: TypeAlias = Annotated[list[ReportPoint], BeforeValidator(readings.listed)]


class JudgeReport(_Part):
    """The judge's whole report. A missing part is an empty one, but an object with none of the parts is no report."""

    consensus: Points = Field(default_factory=list)
    contradictions: Annotated[list[ReportContradiction], BeforeValidator(readings.listed)] = Field(default_factory=list)
    partial_coverage: Points = Field(default_factory=list)
    unique_insights: Annotated[list[ReportInsight], BeforeValidator(readings.listed)] = Field(default_factory=list)
    blind_spots: Texts = Field(default_factory=list)
    strongest: ReportStrongest = Field(default_factory=ReportStrongest)

    @model_validator(mode="before")
    @classmethod
    def _parts(cls, value: Any) -> Any:
        found = _unwrapped(value)
        if not isinstance(found, Mapping) or not found.keys() & cls.model_fields.keys():
            raise ValueError("none of the expected fields is there")
        return found


def _unwrapped(value: Any) -> Any:
    """Return the report inside a wrapper like `{"analysis": {...}}`; anything else as it is."""
    names = JudgeReport.model_fields.keys()
    if not isinstance(value, Mapping) or value.keys() & names:
        return value
    return next((part for part in value.values() if isinstance(part, Mapping) and part.keys() & names), value)


def parse_report(found: Any, *, drop_unsound: bool = False) -> JudgeReport:
    """Return the report in a JSON object; with `drop_unsound`, what is sound of it if that is anything about answers.

    Raises:
        ValidationError: it is none, or a part of it is unsound (a point that names no answers, say).
    """
    try:
        return JudgeReport.model_validate(found)
    except ValidationError as error:
        places = {problem["loc"][:2] for problem in error.errors()}
        if not drop_unsound or () in places:
            raise
        report = JudgeReport.model_validate(_without(_unwrapped(found), places))
        if not (report.consensus or report.contradictions or report.partial_coverage or report.unique_insights):
            raise
        return report


def _without(found: Mapping[str, Any], places: set[tuple[int | str, ...]]) -> dict[str, Any]:
    """Return the parts of `found` without what stands at `places`: the name of a list, and an index in it."""
    unsound = {place[0] for place in places}
    return {
        name: [each for index, each in enumerate(readings.listed(part)) if (name, index) not in places]
        if name in unsound
        else part
        for name, part in found.items()
    }


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of `model` as strict structured output wants it: no references, every field required."""
    schema = model.model_json_schema()
    return _strict(schema, schema.get("$defs", {}))


def _strict(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return _strict(definitions[node["$ref"].rpartition("/")[2]], definitions)
    kept = {word: node[word] for word in _KEYWORDS if word in node}
    if "items" in kept:
        kept["items"] = _strict(kept["items"], definitions)
    if "properties" in kept:
        kept["properties"] = {name: _strict(part, definitions) for name, part in kept["properties"].items()}
        kept |= {"required": list(kept["properties"]), "additionalProperties": False}
    return kept
