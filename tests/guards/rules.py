"""Domain rules, and addresses that they must cover or leave alone, in every place where a run meets an address."""

# ruff: noqa: RUF001 - letters that look alike are what these addresses are about

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fusion_graph.tools import Hit, PanelTools, SearchRequest, make_panel_tools
from fusion_graph.tools.web.download import Downloader
from fusion_graph.urls import parse_rule
from tests.guards.wire import Names, say, watched

Kind: TypeAlias = Literal["excluded", "allowed"]

HF = "huggingface.co"
DRACO = "huggingface.co/datasets/perplexity-ai/draco"
PAPER = "arxiv.org/abs/2602.11685"
OLD_PAPER = "arxiv.org/abs/cs/0112017"
IDN = "bücher.example"

_HF = "https://huggingface.co"
_DATASETS = f"{_HF}/datasets"
_WAYBACK = "https://web.archive.org/web"
_ARXIV = "https://arxiv.org"

# Guard -> rule -> addresses that the rule excludes.
COVERED: dict[str, dict[str, list[str]]] = {
    "host spellings": {
        HF: [
            "https://HuggingFace.CO/x",
            "https://hugging%66ace.co/x",
            "https://huggingface%2eco/x",
            "https://huggingface%E3%80%82co/x",
            "https://huggingface。co/x",
            "https://huggingface．co/x",
            "https://huggingface｡co/x",
            "https://ｈｕｇｇｉｎｇｆａｃｅ.ｃｏ/x",
            "https://hugging\u00adface.co/x",
            "https://hugging\u200bface.co/x",
            "https://hugging\u2060face.co/x",
            "https://ⓗⓤⓖⓖⓘⓝⓖⓕⓐⓒⓔ.co/x",
            "https:\\\\huggingface.co\\x",
            "https:/huggingface.co/x",
            "https:huggingface.co/x",
            "https:///huggingface.co/x",
            "ht\ttps://huggingface.co/x",
            "https://hugging\nface.co/x",
            "  https://huggingface.co/x",
        ],
        IDN: ["https://bücher.example/", "https://BÜCHER.example/", "https://xn--bcher-kva.example/"],
        "xn--bcher-kva.example": ["https://bücher.example/", "https://b%C3%BCcher.example/"],
        "HTTPS://HuggingFace.co/": [f"{_HF}/x"],
        "*.huggingface.co": [f"{_HF}/x", "https://cdn.huggingface.co/x"],
        "huggingface。co": [f"{_HF}/x"],
    },
    "search results": {
        HF: [f"{_HF}/papers/2602.11685", f"{_HF}/datasets?sort=trending", "https://discuss.huggingface.co/t/draco/1"],
        DRACO: [f"{_DATASETS}/perplexity-ai/draco/viewer/default/test"],
    },
    "trailing dots": {
        HF: ["https://huggingface.co./x", "https://huggingface.co%2e/x", "https://huggingface。co。/x"],
        "huggingface.co.": [f"{_HF}/x", "https://cdn.huggingface.co./x"],
    },
    "sub-domains": {
        HF: [
            f"{_HF}/",
            "https://www.huggingface.co/x",
            "https://datasets-server.huggingface.co/rows",
            "https://a.b.c.huggingface.co/",
        ],
        "www.huggingface.co": [f"{_HF}/x"],
        "co": [f"{_HF}/x"],
    },
    "ports and users": {
        HF: [
            "https://huggingface.co:443/x",
            "https://huggingface.co:8443/x",
            "http://huggingface.co:8080/x",
            "https://huggingface.co:9999/x",
            "https://user@huggingface.co/x",
            "https://user:pass@huggingface.co/x",
            "https://example.com@huggingface.co/x",
            "https://huggingface.co\\@example.com/",
            "https://huggingface.co#@example.com/",
        ],
        DRACO: ["https://u@huggingface.co:8443/datasets/perplexity-ai/draco"],
    },
    "path prefixes": {
        DRACO: [
            f"{_DATASETS}/perplexity-ai/draco",
            f"{_DATASETS}/perplexity-ai/draco/",
            f"{_DATASETS}/perplexity-ai/draco?p=1",
            f"{_DATASETS}/perplexity-ai/draco#x",
            f"{_DATASETS}/perplexity-ai/draco/resolve/main/a.csv",
            "https://www.huggingface.co/datasets/perplexity-ai/draco",
            f"{_DATASETS}//perplexity-ai///draco",
            f"{_HF}//datasets/perplexity-ai/draco",
            f"{_DATASETS}/./perplexity-ai/draco/.",
            f"{_HF}/x/../datasets/perplexity-ai/draco",
            f"{_HF}/../datasets/perplexity-ai/draco",
            f"{_DATASETS}/perplexity-ai/draco/../draco-2/../draco",
            f"{_DATASETS}\\perplexity-ai\\draco",
        ],
        f"{DRACO}/": [f"{_DATASETS}/perplexity-ai/draco"],
        "huggingface.co/datasets/perplexity%2Dai/draco": [f"{_DATASETS}/perplexity-ai/draco"],
    },
    "path parameters": {
        DRACO: [
            f"{_DATASETS}/perplexity-ai/draco;x=1",
            f"{_DATASETS}/perplexity-ai;a=b/draco",
            f"{_DATASETS}/perplexity-ai/draco%3Bx",
            f"{_HF}/x/..;/datasets/perplexity-ai/draco",
        ]
    },
    "path decoding": {
        DRACO: [
            f"{_DATASETS}/perplexity-ai/dr%61co",
            f"{_DATASETS}/perplexity%2Dai/draco",
            f"{_HF}/datasets%2Fperplexity-ai%2Fdraco",
            f"{_HF}/datasets%5Cperplexity-ai%5cdraco",
            f"{_HF}/x/%2e%2e/datasets/perplexity-ai/draco",
        ]
    },
    "double decoding": {
        DRACO: [
            f"{_DATASETS}/perplexity-ai/dr%2561co",
            f"{_DATASETS}/perplexity-ai/dr%252561co",
            f"{_HF}/datasets%252Fperplexity-ai%252Fdraco",
            f"{_HF}/x/%252e%252e/datasets/perplexity-ai/draco",
            f"{_DATASETS}/perplexity-ai/draco/%252e%252e/other",
        ]
    },
    "case folding": {
        DRACO: [f"{_HF}/DATASETS/Perplexity-AI/DRACO", f"{_DATASETS}/perplexity-ai/dr%41co"],
        "huggingface.co/Datasets/Perplexity-AI/Draco": [f"{_DATASETS}/perplexity-ai/draco"],
    },
    "arXiv versions": {
        PAPER: [
            f"{_ARXIV}/abs/2602.11685v1",
            f"{_ARXIV}/abs/2602.11685v12",
            f"{_ARXIV}/abs/2602.11685V2",
            f"{_ARXIV}/pdf/2602.11685v2.pdf",
            f"{_ARXIV}/html/2602.11685v1",
            f"{_ARXIV}/pdf/2602.11685%76%32",
        ],
        f"{PAPER}v1": [f"{_ARXIV}/abs/2602.11685", f"{_ARXIV}/abs/2602.11685v2"],
        OLD_PAPER: [f"{_ARXIV}/abs/cs/0112017v1", f"{_ARXIV}/pdf/cs/0112017v2"],
    },
    "arXiv forms": {
        PAPER: [
            f"{_ARXIV}/abs/2602.11685",
            f"{_ARXIV}/abs/2602.11685/",
            f"{_ARXIV}/abs/2602.11685?context=cs",
            f"{_ARXIV}/pdf/2602.11685",
            f"{_ARXIV}/pdf/2602.11685.pdf",
            f"{_ARXIV}/PDF/2602.11685.PDF",
            f"{_ARXIV}/html/2602.11685",
            f"{_ARXIV}/html/2602.11685/",
            f"{_ARXIV}/format/2602.11685",
            f"{_ARXIV}/e-print/2602.11685",
            f"{_ARXIV}/src/2602.11685",
            f"{_ARXIV}//abs//2602.11685",
            f"{_ARXIV}/abs/2602%2E11685",
            "https://www.arxiv.org/abs/2602.11685",
            "https://export.arxiv.org/pdf/2602.11685",
            "https://ar5iv.labs.arxiv.org/html/2602.11685",
            "https://arxiv.org./abs/2602.11685",
        ],
        "arxiv.org/pdf/2602.11685v3.pdf": [f"{_ARXIV}/abs/2602.11685"],
        "arxiv.org/pdf": [f"{_ARXIV}/pdf/2602.11685"],
        OLD_PAPER: [f"{_ARXIV}/pdf/cs/0112017.pdf"],
    },
    "aliases": {
        HF: [
            "https://hf.co/x",
            "https://HF.co./x",
            "https://www.hf.co/x",
            "https://cdn-lfs.hf.co/x",
            "https://hf-mirror.com/x",
            "https://hf-mirror.com./x",
            "https://cdn.hf-mirror.com/x",
            "https://hf.co/x".ljust(4096, "a"),
        ],
        DRACO: [
            "https://hf.co/datasets/perplexity-ai/draco",
            "https://hf-mirror.com/datasets/perplexity-ai/draco/viewer",
        ],
    },
    "web.archive.org": {
        HF: [
            f"{_WAYBACK}/2026/https://huggingface.co/x",
            f"{_WAYBACK}/2026/huggingface.co/x",
            f"{_WAYBACK}/20260102030405/http://huggingface.co:80/x",
            f"{_WAYBACK}/2026id_/https://huggingface.co/x",
            f"{_WAYBACK}/2026id_/huggingface.co/x",
            f"{_WAYBACK}/2026if_/huggingface.co/x",
            f"{_WAYBACK}/20260102030405im_/huggingface.co/x",
            f"{_WAYBACK}/*/https://huggingface.co/x",
            f"{_WAYBACK}/*/huggingface.co/x",
            f"{_WAYBACK}/*/huggingface.co*",
            f"{_WAYBACK}/*/https://huggingface.co*",
            f"{_WAYBACK}/2026*/huggingface.co/x",
            f"{_WAYBACK}/huggingface.co/x",
            f"{_WAYBACK}/http:/huggingface.co/x",
            f"{_WAYBACK}/2026/https%3A%2F%2Fhuggingface.co%2Fx",
            f"{_WAYBACK}/2026//huggingface.co/x",
            f"{_WAYBACK}/2026/HUGGINGFACE.co./x",
            f"{_WAYBACK}/2026/user@huggingface.co/x",
            f"{_WAYBACK}/2026/hugging%0aface.co/x",
            "https://web.archive.org//web/2026/huggingface.co/x",
            "https://web.archive.org/save/huggingface.co/x",
            "https://archive.org/web/2026/huggingface.co/x",
        ],
        DRACO: [
            f"{_WAYBACK}/2026id_/huggingface.co/datasets/perplexity-ai/draco",
            f"{_WAYBACK}/2026/hf.co/datasets/Perplexity-AI/draco",
        ],
        PAPER: [f"{_WAYBACK}/2026/arxiv.org/pdf/2602.11685v3"],
    },
    "archive.ph": {
        HF: [
            "https://archive.ph/huggingface.co/x",
            "https://archive.ph/https://huggingface.co/x",
            "https://archive.ph/newest/huggingface.co/x",
            "https://archive.is/2026.01.02-030405/huggingface.co/x",
            "https://archive.today/oldest/huggingface.co/x",
            "https://archive.li/20260102/huggingface.co/x",
            "https://archive.md/timegate/huggingface.co/x",
            "https://archive.vn/o/AbCdE/huggingface.co/x",
            "https://archive.fo/20260102030405/huggingface.co/x",
            "https://www.archive.ph/newest/huggingface.co/x",
            "https://archive.ph/?run=1&url=https%3A%2F%2Fhuggingface.co%2Fx",
            "https://archive.ph/?run=1&url=huggingface.co/x",
            "https://archive.ph/submit/?url=huggingface.co/x",
        ]
    },
    "r.jina.ai": {
        HF: [
            "https://r.jina.ai/https://huggingface.co/x",
            "https://r.jina.ai/http://huggingface.co",
            "https://r.jina.ai/huggingface.co/x",
            "https://r.jina.ai/huggingface.co",
            "https://r.jina.ai//huggingface.co/x",
            "https://r.jina.ai./huggingface.co/x",
            "https://r.jina.ai/https%3A%2F%2Fhuggingface.co%2Fx",
            "https://r.jina.ai/https:/huggingface.co/x",
            "https://r.jina.ai/https:huggingface.co/x",
            "https://r.jina.ai/hf.co/x",
            "https://eu.r.jina.ai/huggingface.co/x",
        ],
        PAPER: ["https://r.jina.ai/arxiv.org/pdf/2602.11685v1"],
    },
    "translate.goog": {
        HF: [
            "https://huggingface-co.translate.goog/x?_x_tr_sl=en&_x_tr_tl=de",
            "https://www-huggingface-co.translate.goog/x",
            "https://HUGGINGFACE-CO.translate.goog./x",
            "https://face-co.translate.goog/x?_x_tr_hp=hugging",
            "https://1-huggingface-co.translate.goog/x?_x_tr_enc=1",
        ],
        "www.huggingface.co": ["https://1-huggingface-co.translate.goog/x?_x_tr_enc=0,1"],
        "a-b.example": ["https://a--b-example.translate.goog/"],
        IDN: ["https://0-bcher--kva-example.translate.goog/?_x_tr_enc=0"],
        DRACO: ["https://huggingface-co.translate.goog/datasets/perplexity-ai/draco?_x_tr_sl=auto"],
    },
    "translate.google": {
        HF: [
            "https://translate.google.com/translate?sl=auto&u=huggingface.co/x",
            "https://translate.google.de/translate?u=https://huggingface.co/x",
            "https://translate.google.com/website?sl=auto&tl=en&u=huggingface.co/x",
        ]
    },
    "cdn.ampproject.org": {
        HF: [
            "https://huggingface-co.cdn.ampproject.org/c/s/huggingface.co/x",
            "https://cdn.ampproject.org/c/huggingface.co/x",
            "https://cdn.ampproject.org/v/s/huggingface.co/x?amp_js_v=0.1",
            "https://cdn.ampproject.org/wp/s/huggingface.co/x",
            "https://x.cdn.ampproject.org/c/s/huggingface.co/x",
        ]
    },
    "google.com/amp": {
        HF: [
            "https://www.google.com/amp/s/huggingface.co/x",
            "https://google.com/amp/huggingface.co/x",
            "https://www.google.co.uk/amp/s/www.huggingface.co/x",
        ]
    },
    "google.com/url": {
        HF: [
            "https://www.google.com/url?q=huggingface.co/x",
            "https://www.google.com/url?sa=t&q=https%3A%2F%2Fhuggingface.co%2Fx&usg=1",
            "https://google.de/url?url=https://huggingface.co",
            "https://www.google.co.uk/url?url=huggingface.co",
            "https://www.google.com./url?q=huggingface.co/x",
        ]
    },
    "duckduckgo": {
        HF: [
            "https://duckduckgo.com/l/?uddg=huggingface.co%2Fx",
            "https://duckduckgo.com/l?uddg=https%3A%2F%2Fhuggingface.co%2Fx",
            "https://duckduckgo.com/l/?uddg=https%253A%252F%252Fhuggingface.co%252Fx",
            "https://html.duckduckgo.com/l/?kh=-1&uddg=huggingface.co",
        ]
    },
    "webcache": {
        HF: [
            "https://webcache.googleusercontent.com/search?q=cache:huggingface.co/x",
            "https://webcache.googleusercontent.com/search?q=cache:AbC123:https://huggingface.co/x+draco&hl=en",
            "https://webcache.googleusercontent.com/search?q=cache%3AAbC123%3Ahuggingface.co%2Fx",
        ],
        PAPER: [
            "https://webcache.googleusercontent.com/search?q=cache:AbC123:https://arxiv.org/abs/2602.11685+draco",
            "https://webcache.googleusercontent.com/search?q=cache:arxiv.org/abs/2602.11685%20draco",
        ],
    },
    "URLs in paths": {
        HF: [
            "https://proxy.example/https://huggingface.co/x",
            "https://proxy.example/https:/huggingface.co/x",
            "https://proxy.example/HTTPS://huggingface.co/x",
            "https://proxy.example/get/https%3A%2F%2Fhuggingface.co%2Fx",
            "https://proxy.example/https%253A%252F%252Fhuggingface.co",
            "https://proxy.example/width=100,url=https://huggingface.co/x",
        ]
    },
    "URLs in queries": {
        HF: [
            "https://proxy.example/?url=https://huggingface.co/x",
            "https://proxy.example/fetch?a=1&target=https%3A%2F%2Fhuggingface.co%2Fx",
            "https://proxy.example/?u=https%253A%252F%252Fhuggingface.co",
            "https://proxy.example/?u=%68ttps://huggingface.co/x",
            "https://proxy.example/?u=HTTP:/huggingface.co/x",
            "https://proxy.example/?https://huggingface.co/x",
            "https://proxy.example/?https%3A%2F%2Fhuggingface.co%2Fx",
            "https://proxy.example/?u=%20https://huggingface.co/x",
            "https://proxy.example/?u=https:%5C%5Chuggingface.co%5Cx",
            "https://proxy.example/?a=1;u=https://huggingface.co/x",
            "https://proxy.example/?u=https://nothuggingface.co/&u=https://huggingface.co/",
            "https://proxy.example/?u=https://huggingface.co/".ljust(4096, "{"),
        ],
        DRACO: [
            "https://proxy.example/?u=https://hf.co/datasets/perplexity-ai/draco",
            "https://proxy.example/?u=https://hf.co/datasets/perplexity-ai/draco&b=2",
            "https://proxy.example/?u=https://hf.co/datasets/perplexity-ai/draco;b=2",
        ],
    },
    "mirrors in mirrors": {
        HF: [
            f"{_WAYBACK}/2026/https://r.jina.ai/https://huggingface.co/x",
            f"{_WAYBACK}/2026/r.jina.ai/huggingface.co/x",
            "https://r.jina.ai/web.archive.org/web/2026id_/huggingface.co/x",
            "https://r.jina.ai/archive.ph/newest/hf.co/x",
            "https://web-archive-org.translate.goog/web/2026/huggingface.co/x",
            "https://r-jina-ai.translate.goog/huggingface.co/x",
            "https://translate.google.com/translate?u=web.archive.org/web/2026/huggingface.co/x",
            "https://www.google.com/url?q=r.jina.ai/huggingface.co",
            "https://duckduckgo.com/l/?uddg=r.jina.ai%2Fhf-mirror.com",
            f"{_WAYBACK}/2026/https://www.google.com/url?q=huggingface.co/x",
            "https://huggingface-co.translate.goog.cdn.ampproject.org/c/s/r.jina.ai/huggingface.co/x",
        ],
        DRACO: [f"{_WAYBACK}/2026/https://r.jina.ai/https://hf.co/datasets/perplexity-ai/draco"],
        PAPER: [f"https://r.jina.ai/{_WAYBACK}/2026/https://export.arxiv.org/pdf/2602.11685v3.pdf"],
    },
    "crowds": {
        HF: [
            "https://r.jina.ai/" + "https://x.example/" * 150 + "huggingface.co/",
            "https://r.jina.ai/" + "https%3A//x.example/" * 120 + "huggingface.co/",
            "https://r.jina.ai/" + "r.jina.ai/" * 150 + "huggingface.co/",
            "https://r.jina.ai/" + "archive.ph/o/x/" * 150 + "huggingface.co/",
        ]
    },
}

# Guard -> rule -> addresses that the rule leaves alone.
LEFT_ALONE: dict[str, dict[str, list[str]]] = {
    "search results": {HF: [f"{_ARXIV}/abs/2602.11685", "https://www.perplexity.ai/hub/blog/draco"]},
    "sub-domains": {
        HF: [
            "https://nothuggingface.co/",
            "https://huggingface.co.evil.example/",
            "https://huggingface.com/",
            "https://huggingface.co.uk/",
            "https://huggingface-co.example/",
            "https://huggingface.github.io/x",
            "https://github.com/huggingface/transformers",
            "https://en.wikipedia.org/wiki/Hugging_Face",
            "https://huggingface.co@example.com/",
            "https://example.com\\@huggingface.co/",
        ],
        "www.huggingface.co": ["https://cdn.huggingface.co/x"],
        IDN: ["https://bucher.example/"],
    },
    "path prefixes": {
        DRACO: [
            f"{_DATASETS}/perplexity-ai/draco-2",
            f"{_DATASETS}/perplexity-ai/dracox",
            f"{_DATASETS}/perplexity-ai/draco.md",
            f"{_DATASETS}/perplexity-ai/drac",
            f"{_DATASETS}/perplexity-ai",
            f"{_DATASETS}/perplexity-ai/draco/../other",
            f"{_DATASETS}/other/perplexity-ai/draco",
            f"{_HF}/spaces/perplexity-ai/draco",
            f"{_DATASETS}?q=perplexity-ai/draco",
            f"{_DATASETS}#/perplexity-ai/draco",
            "https://example.com/datasets/perplexity-ai/draco",
        ]
    },
    "path parameters": {DRACO: [f"{_DATASETS}/perplexity-ai/other;draco", f"{_DATASETS}/perplexity-ai/dra;co"]},
    "arXiv forms": {
        PAPER: [
            f"{_ARXIV}/abs/2602.11686",
            f"{_ARXIV}/abs/2602.1168",
            f"{_ARXIV}/abs/2602.116850",
            f"{_ARXIV}/pdf/2602.11684v1",
            f"{_ARXIV}/list/cs.AI/recent",
            f"{_ARXIV}/a/2602.11685",
            f"{_ARXIV}/",
            f"{_ARXIV}/abs/cs/0112017v1",
            "https://example.com/abs/2602.11685",
            "https://notarxiv.org/abs/2602.11685",
        ],
        OLD_PAPER: [f"{_ARXIV}/abs/math/0112017", f"{_ARXIV}/abs/cs/0112018"],
    },
    "aliases": {
        HF: [
            "https://nothf.co/x",
            "https://hf.company/x",
            "https://myhf-mirror.com/x",
            "https://hf-mirror.com.example/x",
        ],
        DRACO: ["https://hf.co/datasets/perplexity-ai/draco-2", "https://hf-mirror.com/spaces/perplexity-ai/draco"],
    },
    "mirrors": {
        HF: [
            f"{_WAYBACK}/2026/https://example.com/huggingface.co",
            "https://web.archive.org/",
            "https://archive.org/details/huggingface.co",
            "https://archive.ph/AbCdE",
            "https://r.jina.ai/",
            "https://r.jina.ai/https://example.com/huggingface.co",
            "https://example-com.translate.goog/huggingface.co",
            "https://huggingface--co.translate.goog/",
            "https://cdn.ampproject.org/c/s/example.com/huggingface.co",
            "https://www.google.com/url?q=https://example.com/",
            "https://www.google.com/search?q=huggingface.co",
            "https://duckduckgo.com/?q=huggingface.co",
            "https://webcache.googleusercontent.com/search?q=cache:example.com/huggingface.co",
        ],
        DRACO: [f"{_WAYBACK}/2026/https://huggingface.co/datasets/other"],
    },
    "URLs in paths": {HF: ["https://example.com/huggingface.co", "https://example.com/https-huggingface.co"]},
    "URLs in queries": {
        HF: [
            "https://example.com/?q=huggingface.co",
            "https://example.com/?ref=https://example.com/huggingface.co",
            "https://example.com/?u=https://nothuggingface.co/",
        ]
    },
}

# Guard -> allowed rule -> addresses under it.
UNDER: dict[str, dict[str, list[str]]] = {
    "allowed": {
        "github.com": [
            "https://github.com/",
            "https://GitHub.com./x",
            "https://api.github.com/x",
            "https://github.com:8443/",
        ],
        "github.com/foo": [
            "https://github.com/foo",
            "https://github.com/foo/",
            "https://github.com/FOO/bar?x=1",
            "https://github.com/x/../foo/bar",
            "https://www.github.com/foo/%62ar",
            "https://github.com/foo;v=1",
            "https://github.com/foo;v=1/bar;w",
        ],
        "www.github.com": ["https://github.com/x"],
        "archive.org": [f"{_WAYBACK}/2026/https://x.example/"],
        PAPER: [f"{_ARXIV}/pdf/2602.11685v2", f"{_ARXIV}/html/2602.11685"],
        IDN: ["https://xn--bcher-kva.example/x"],
    }
}

# Guard -> allowed rule -> addresses that are not under it.
NOT_UNDER: dict[str, dict[str, list[str]]] = {
    "allowed": {
        "github.com": [
            "https://nothgithub.com/",
            "https://github.com.evil.example/",
            "https://example.com/github.com",
            "https://github.com@example.com/",
            "https://r.jina.ai/https://github.com/foo",
            "https://github-com.translate.goog/foo",
            "https://www.google.com/url?q=https://github.com/",
        ],
        "github.com/foo": [
            "https://github.com/",
            "https://github.com/foobar",
            "https://github.com/foo/../bar",
            "https://github.com/foo/%2e%2e/bar",
            "https://github.com/foo/%252e%252e/bar",
            "https://github.com/foo%2f..%2fbar",
            "https://github.com/foo\\..\\bar",
            "https://github.com/foo/%5c..%5c..%5cbar",
            "https://github.com/foo/..;/bar",
            "https://github.com/bar/..;/foo",
            "https://github.com/foo;%2f..%2fbar",
            "https://github.com/bar?/foo",
        ],
        "huggingface.co": ["https://hf-mirror.com/x"],
        PAPER: [f"{_ARXIV}/abs/2602.11686", "https://r.jina.ai/arxiv.org/abs/2602.11685"],
    }
}


@dataclass(frozen=True, slots=True)
class RuleCase:
    """A domain rule of a run, an address, and whether the run may open and list it."""

    guard: str
    kind: Kind
    rule: str
    url: str
    passes: bool

    def __str__(self) -> str:
        return f"{self.guard}-{self.kind} {self.rule}-{ascii(self.url)[1:90]}-{'passes' if self.passes else 'stopped'}"


def _cases() -> Iterator[RuleCase]:
    tables: list[tuple[Kind, bool, dict[str, dict[str, list[str]]]]] = [
        ("excluded", False, COVERED),
        ("excluded", True, LEFT_ALONE),
        ("allowed", True, UNDER),
        ("allowed", False, NOT_UNDER),
    ]
    for kind, passes, table in tables:
        for guard, rules in table.items():
            for rule, urls in rules.items():
                yield from (RuleCase(guard, kind, rule, url, passes) for url in urls)


CASES = list(_cases())


@dataclass(frozen=True, slots=True)
class OneHit:
    """A search backend that knows no rules and one page."""

    url: str

    async def search(self, request: SearchRequest) -> list[Hit]:
        return [Hit(self.url, "a page", "the answers")]


class AnyName(Names):
    """A resolver to which every name is one public address."""

    async def resolve(self, host: str, _port: int) -> list[str]:
        return ["93.184.215.14"]


async def holds(case: RuleCase) -> None:
    """Raise an AssertionError unless web_search and web_fetch treat the address as the table says."""
    rules = {f"{case.kind}_domains": [case.rule]}
    await _searched(case, rules)
    await _fetched(case, rules)


async def _searched(case: RuleCase, rules: dict[str, list[str]]) -> None:
    tools = PanelTools(OneHit(case.url), Downloader())
    listed, _ = await say(tools.bind(["web_search"], **rules)[0], {"query": "answers"})
    assert ("the answers" in listed) is case.passes, (
        f"{case}: {'not listed' if case.passes else 'listed'} by web_search"
    )


async def _fetched(case: RuleCase, rules: dict[str, list[str]]) -> None:
    made = make_panel_tools({"FUSION_SEARCH": "none"}, resolve=AnyName({}).resolve)
    with watched() as wire:
        said, _ = await say(made.bind(["web_fetch"], **rules)[0], {"url": case.url})
    by_rule = parse_rule(case.rule) in said and "domain" in said
    if case.passes:
        assert not by_rule, f"{case}: refused by web_fetch: {said[:200]!r}"
        assert wire.connects or "@" in case.url, f"{case}: not opened by web_fetch: {said[:200]!r}"
    else:
        assert not wire.connects, f"{case}: opened by web_fetch"
        assert by_rule or "too many" in said, f"{case}: refused for another reason: {said[:200]!r}"
