"""What a judge sends, parsed; and the analysis code makes of it."""

from fusion_graph.report.forms import JudgeReport, parse_report, strict_schema
from fusion_graph.report.json_text import parse_json_object
from fusion_graph.report.placing import Author, analysis_of

__all__ = ["Author", "JudgeReport", "analysis_of", "parse_json_object", "parse_report", "strict_schema"]
