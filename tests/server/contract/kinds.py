"""What an expression of a test holds: the server under test, a client of it, a response, or something of its body."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["starter", "server", "client", "response", "body"]
Kinds = frozenset[Kind]
NONE: Kinds = frozenset()
ANNOTATIONS: Mapping[str, Kind] = {"Served": "server", "Serve": "starter"}
SENDING = frozenset({"chat", "post", "streaming"})  # methods of the server under test
VERBS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "request", "stream", "send"})
BODY = frozenset({"text", "content"})  # of a response
BODY_METHODS = frozenset({"json", "iter_text", "iter_lines"})
MUTATORS = frozenset({"append", "extend", "insert", "add", "update", "setdefault"})
Function = ast.FunctionDef | ast.AsyncFunctionDef


def source_of(function: Callable[..., Any]) -> Function:
    """Return the syntax tree of a function."""
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
    return found


def annotated(annotation: ast.expr | None) -> Kinds:
    """Return what something annotated like this holds: the server under test, or what starts one."""
    words = {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)} if annotation else set()
    return frozenset(kind for word, kind in ANNOTATIONS.items() if word in words)


@dataclass
class Expressions:
    """What the expressions of one function hold; `env` is what its variables do, `names` are those of its module."""

    names: Mapping[str, Any]
    env: dict[str, Kinds] = field(default_factory=dict)
    local: dict[str, Function] = field(default_factory=dict)
    sends: bool = False

    def bind(self, target: ast.expr, value: ast.expr) -> None:
        """Give a target what a value holds; of two tuples each to each."""
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, other in zip(target.elts, value.elts, strict=True):
                self.bind(one, other)
        else:
            self.bind_kinds(target, self.kinds(value))

    def bind_kinds(self, target: ast.expr | None, kinds: Kinds) -> None:
        """Give all names in a target these kinds; a part of something adds to the whole."""
        if isinstance(target, ast.Name):
            self.env[target.id] = kinds
        elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            self.env[target.value.id] = self.env.get(target.value.id, NONE) | kinds
        elif isinstance(target, ast.Tuple | ast.List | ast.Starred):
            for part in ast.iter_child_nodes(target):
                if isinstance(part, ast.expr):
                    self.bind_kinds(part, kinds)

    def kinds(self, node: ast.AST | None) -> Kinds:
        """Return what an expression holds."""
        if isinstance(node, ast.Name):
            return self.env.get(node.id, NONE)
        if isinstance(node, ast.Attribute):
            return self.attribute(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.NamedExpr):
            self.bind(node.target, node.value)
        for generator in getattr(node, "generators", []):
            self.bind_kinds(generator.target, self.kinds(generator.iter))
        return self.union(ast.iter_child_nodes(node)) if node else NONE

    def union(self, nodes: Iterable[ast.AST]) -> Kinds:
        """Return what any of these holds."""
        return frozenset(kind for node in nodes for kind in self.kinds(node))

    def attribute(self, node: ast.Attribute) -> Kinds:
        """Return what a part of something holds: of a response the body only, of the server its address."""
        whole = self.kinds(node.value)
        found = whole & {"body", "client"}
        if "response" in whole and node.attr in BODY:
            found |= {"body"}
        return found | (whole & {"server"} if node.attr == "url" else NONE)

    def call(self, node: ast.Call) -> Kinds:
        """Return what a call gives."""
        given = self.union([*node.args, *node.keywords])
        if isinstance(node.func, ast.Attribute):
            return self.method(node, node.func, given)
        if isinstance(node.func, ast.Name):
            return self.function(node, node.func.id, given)
        return given | self.kinds(node.func)

    def method(self, node: ast.Call, func: ast.Attribute, given: Kinds) -> Kinds:
        """Return what a method gives: requests go out by those of the server, of a client, and of httpx."""
        owner = self.kinds(func.value)
        is_httpx = isinstance(func.value, ast.Name) and func.value.id == "httpx" and "server" in given
        by_server = "server" in owner and func.attr in SENDING
        if by_server or ((is_httpx or "client" in owner) and func.attr in VERBS):
            self.sends = True
            return frozenset({"response"})
        if is_httpx and func.attr in {"Client", "AsyncClient"}:
            return frozenset({"client"})
        if "response" in owner and func.attr in BODY_METHODS:
            return frozenset({"body"})
        if func.attr in MUTATORS and isinstance(func.value, ast.Name):
            self.env[func.value.id] = owner | given
        return self.attribute(func) | (given if not owner or func.attr in MUTATORS else NONE)

    def function(self, node: ast.Call, name: str, given: Kinds) -> Kinds:
        """Return what a function gives: one of the tests' own is read, any other passes on what it is given."""
        if "starter" in self.kinds(node.func):
            return frozenset({"server"})
        if name in self.local:
            return self.within(self.local[name], node, self.names, self.env)
        found = inspect.unwrap(self.names[name]) if callable(self.names.get(name)) else None
        if not inspect.isfunction(found) or not found.__module__.startswith("tests."):
            return given
        function = source_of(found)
        return annotated(function.returns) or self.within(function, node, found.__globals__, {})

    def within(self, function: Function, node: ast.Call, names: Mapping[str, Any], env: Mapping[str, Kinds]) -> Kinds:
        """Return what a helper of the tests gives for what it is called with."""
        raise NotImplementedError
