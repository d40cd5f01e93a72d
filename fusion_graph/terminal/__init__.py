"""What the command line shows: results on stdout, everything else on stderr.

What draws (`live`, `page`) is not imported here: it takes a tenth of a second that most commands do not need.
"""

from fusion_graph.terminal.answer import answer_text, closing_lines, opening_lines
from fusion_graph.terminal.commands import command, use_database
from fusion_graph.terminal.costs import cost_of
from fusion_graph.terminal.following import note
from fusion_graph.terminal.progress import Progress
from fusion_graph.terminal.run_view import RunView
from fusion_graph.terminal.streams import is_live, is_page, width_of
from fusion_graph.terminal.tables import aligned, cost_table, runs_table, tool_lines
from fusion_graph.terminal.words import clean, clock, money, wrapped

__all__ = [
    "Progress",
    "RunView",
    "aligned",
    "answer_text",
    "clean",
    "clock",
    "closing_lines",
    "command",
    "cost_of",
    "cost_table",
    "is_live",
    "is_page",
    "money",
    "note",
    "opening_lines",
    "runs_table",
    "tool_lines",
    "use_database",
    "width_of",
    "wrapped",
]
