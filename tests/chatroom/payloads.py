"""What must stay text, wherever a model, a page or a user brings it: a corpus of all that browsers could take for more."""

MARKUP = (
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<script>alert(1)</script>",
    "<iframe src=https://tracker.example></iframe>",
    "<style>*{display:none}</style>",
    '<div style="position:fixed;inset:0">over all</div>',
    '<a href="javascript:alert(1)" onclick=alert(1)>go</a>',
    "<form action=https://tracker.example><input name=key>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "</textarea></title></script><script>alert(1)</script>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<a id=main class=top href=#>",
    "<base href=https://tracker.example/>",
    "<meta http-equiv=refresh content=0;url=https://tracker.example>",
    "<link rel=stylesheet href=https://tracker.example/x.css>",
)
MARKDOWN = (
    "[go](javascript:alert(1))",
    "[go](JaVaScRiPt&#58;alert(1))",
    "[go](\tjavascript:alert(1))",
    "[go](data:text/html,<script>alert(1)</script>)",
    "[go](vbscript:alert(1))",
    "[go](//tracker.example)",
    "![pixel](https://tracker.example/pixel.png)",
    "![pixel][p]\n\n[p]: https://tracker.example/reference.png",
    "<javascript:alert(1)>",
    "<https://tracker.example/auto>",
    '[go](https://tracker.example "\\" onmouseover=alert(1) x=\\"")',
    "`<img src=x onerror=alert(1)>`",
    '```html"><img src=x onerror=alert(1)>\n<script>alert(1)</script>\n```',
    "| <img src=x onerror=alert(1)> |\n|---|\n| [go](javascript:alert(1)) |",
)
SIGNS = (
    "evil\u202egnp.exe\u202c",
    "zero\u200bwidth\u200d\ufeffjoined",
    "\x1b[31mred\x1b[0m and \x1b]8;;https://tracker.example\x07a link\x1b]8;;\x07",
    "null\x00byte",
    "e" + "\u0301\u0489\u20dd" * 40,
)
LONG = "w" * 10_000
ALL = (*MARKUP, *MARKDOWN, *SIGNS)
ONE_LINE = " ".join(text.replace("\n", " ").replace("\x00", "") for text in ALL)
