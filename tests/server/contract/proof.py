"""What a test proves, read from its source: does it send a request to the server, and assert on a response's body?

What an expression holds is followed from the server under test through assignments, loops, comprehensions and helper
functions. An assertion counts if its truth hangs on the body, and if it is made whatever the test's parameters are.
"""

import ast
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.server.contract.kinds import NONE, Expressions, Function, Kinds, annotated, source_of

MOST_DEEP = 6  # helpers that call helpers
_ALWAYS_TRUE = (ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.JoinedStr, ast.Lambda, ast.GeneratorExp)
_SOMETIMES = (ast.If, ast.While, ast.Try, ast.Match)
_ENDS = (ast.Return, ast.Raise, ast.Break, ast.Continue)


def lacks(function: Callable[..., Any]) -> str:
    """Return what a test does not prove, "" if it lacks nothing."""
    function = inspect.unwrap(function)
    return read(source_of(function), function.__globals__).lacks


def read(function: Function, names: Mapping[str, Any]) -> "Reader":
    """Return what was found in a function of a module with these names."""
    reader = Reader(names)
    reader.enter(function, {})
    return reader


@dataclass
class Reader(Expressions):
    """Reads one function: does it send a request, does it assert on a body, what does it return."""

    depth: int = 0
    asserts: bool = False
    returns: Kinds = NONE
    is_sure: bool = True

    @property
    def lacks(self) -> str:
        """What is missing, "" if nothing is."""
        if not self.sends:
            return "it sends no request to the server under test"
        return "" if self.asserts else "it asserts nothing that hangs on the body of a response"

    def enter(self, function: Function, given: Mapping[str, Kinds]) -> None:
        """Read a function whose parameters hold what is given, or what they are annotated with."""
        arguments = function.args
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            self.env[each.arg] = given.get(each.arg, NONE) | annotated(each.annotation)
        self.block(function.body)

    def block(self, body: Iterable[ast.stmt]) -> None:
        """Read statements up to the one that ends them."""
        for statement in body:
            self.statement(statement)
            if isinstance(statement, _ENDS):
                return

    def statement(self, statement: ast.stmt) -> None:
        """Read one statement."""
        if isinstance(statement, ast.Assert):
            self.asserts |= self.hangs(statement.test) and self.is_sure
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            self.local[statement.name] = statement
        elif isinstance(statement, ast.Return):
            self.returns |= self.kinds(statement.value)
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            self.assign(statement)
        else:
            self.compound(statement)

    def assign(self, statement: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        """Read an assignment."""
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            if isinstance(statement, ast.AnnAssign):
                self.bind_kinds(target, self.kinds(statement.value) | annotated(statement.annotation))
            elif isinstance(statement, ast.AugAssign):
                self.bind_kinds(target, self.kinds(statement.value) | self.kinds(target))
            else:
                self.bind(target, statement.value)

    def compound(self, statement: ast.stmt) -> None:
        """Read a statement with others in it: what may be left out proves nothing."""
        was_sure = self.is_sure
        if isinstance(statement, ast.For | ast.AsyncFor):
            self.bind_kinds(statement.target, self.kinds(statement.iter))
        for item in getattr(statement, "items", []):
            self.bind_kinds(item.optional_vars, self.kinds(item.context_expr))
        self.is_sure = was_sure and not isinstance(statement, _SOMETIMES)
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.expr):
                self.kinds(child)
        for part in ("body", "orelse", "finalbody"):
            self.block(getattr(statement, part, []))
        for branch in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
            self.block(branch.body)
        self.is_sure = was_sure

    def kinds(self, node: ast.AST | None) -> Kinds:
        """Return what an expression holds; what a generator yields is what it returns."""
        found = super().kinds(node)
        self.returns |= found if isinstance(node, ast.Yield | ast.YieldFrom) else NONE
        return found

    def hangs(self, test: ast.expr) -> bool:
        """Say whether the truth of a test hangs on a body."""
        if isinstance(test, ast.BoolOp):
            return (all if isinstance(test.op, ast.Or) else any)([self.hangs(value) for value in test.values])
        if isinstance(test, ast.UnaryOp):
            return self.hangs(test.operand)
        if isinstance(test, ast.IfExp):
            return self.hangs(test.body) and self.hangs(test.orelse)
        if isinstance(test, ast.Compare):
            sides = [ast.dump(side) for side in (test.left, *test.comparators)]
            return len(set(sides)) == len(sides) and "body" in self.kinds(test)
        found = self.kinds(test)
        return "body" in found and not isinstance(test, _ALWAYS_TRUE)

    def within(self, function: Function, node: ast.Call, names: Mapping[str, Any], env: Mapping[str, Kinds]) -> Kinds:
        """Return what a helper gives for what it is called with; its requests and assertions are the test's."""
        if self.depth == MOST_DEEP:
            return NONE
        inner = Reader(names, dict(env), dict(self.local), depth=self.depth + 1, is_sure=self.is_sure)
        parameters = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        given = dict(zip(parameters, map(self.kinds, node.args), strict=False))
        given |= {keyword.arg: self.kinds(keyword.value) for keyword in node.keywords if keyword.arg}
        inner.enter(function, given)
        self.sends |= inner.sends
        self.asserts |= inner.asserts
        return inner.returns
