"""The composition root: real models, prices and tools put into the graph."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool
from langgraph.graph import StateGraph

from fusion_graph import demo, models
from fusion_graph.calls import Ask, Asker, LoadModel, Price, refuse_other_loader
from fusion_graph.environment import ENVIRON
from fusion_graph.errors import SettingsError
from fusion_graph.estimate import CallSize, Estimate, estimate_run
from fusion_graph.graph import build_graph
from fusion_graph.models.listing import make_estimate_price
from fusion_graph.presets import resolve
from fusion_graph.schemas import is_demo
from fusion_graph.seats import tools_in
from fusion_graph.settings import FusionSettings
from fusion_graph.state import FusionInput, FusionOutput, FusionState, Offer, Plan
from fusion_graph.tools import OwnTool, PanelTools, Place, limited, make_panel_tools, own_tools
from fusion_graph.tools.bash.workspace import RUN, Workspaces

RULES = ("allowed_domains", "excluded_domains", "blocked_domains")
CALLS_VARIABLE = "FUSION_CALLS_PER_PROVIDER"

History = Callable[[], Awaitable[list[CallSize]]]


def build_fusion_graph(
    *,
    load_model: LoadModel | None = None,
    price: Price | None = None,
    tools: Sequence[OwnTool] = (),
    environ: Mapping[str, str] = ENVIRON,
) -> StateGraph[FusionState, FusionSettings, FusionInput, FusionOutput]:
    """Return the uncompiled graph: you choose checkpointer, store and name, or add it to a graph of your own.

        graph = build_fusion_graph(tools=[warehouse_stock]).compile()
        graph.invoke({"messages": [("user", "...")]}, context={"preset": "budget"})

    The settings of a call are its `context`. A graph whose context is another calls this one in a node:
    `await graph.ainvoke(given, context=settings)`.

    `load_model(name, /, *, temperature, max_tokens, reasoning)` turns names into chat models (default: any provider, by
    `provider:model`). `price(name, message)` says what a message cost: US dollars or None, and who says so.
    `tools` are LangChain tools, or functions with annotations and a docstring; every seat gets them beside those that
    its settings name, but for seats that name their own. One called `web_search`, `web_fetch` or `bash` takes its place.
    `environ` holds keys, servers and FUSION_* variables.

    Raises:
        SettingsError: a tool or `load_model` is not what it must be. What a call raises: `FusionSettings`, `FusionError`.
    """
    return build_graph(**Parts.real(load_model=load_model, price=price, tools=tools, environ=environ).collaborators)


class Parts:
    """What the graph is made of, besides its own nodes. `history` tells the sizes of this user's past calls.

    `knows_prices`: models and prices are our own, so that a price nobody knows is known before a call.
    """

    def __init__(
        self, ask: Ask, own_tools: Sequence[BaseTool], environ: Mapping[str, str], *, knows_prices: bool = False
    ) -> None:
        self.ask = ask
        self.own_tools = own_tools
        self.environ = environ
        self.knows_prices = knows_prices
        self.history: History | None = None

    @classmethod
    def real(
        cls,
        *,
        load_model: LoadModel | None = None,
        price: Price | None = None,
        tools: Sequence[OwnTool] = (),
        environ: Mapping[str, str] = ENVIRON,
    ) -> "Parts":
        """Return the real parts, with what is given in place of the default. Raises SettingsError."""
        check = _check if load_model is None else None
        if load_model is not None:
            refuse_other_loader(load_model)
        asker = Asker(
            load_model or _load,
            price or _price,
            check_model=check,
            provider_of=models.provider_of,
            max_concurrent_calls=_most_calls(environ),
        )
        return cls(asker, own_tools(tools), environ, knows_prices=load_model is None and price is None)

    @cached_property
    def panel_tools(self) -> PanelTools:
        """The tools that the environment configures, made when they are first needed: stored runs can be read without."""
        return make_panel_tools(self.environ)

    @cached_property
    def demo_tools(self) -> PanelTools:
        """The tools of the demo's seats."""
        return demo.demo_tools(self.environ)

    @property
    def collaborators(self) -> dict[str, Any]:
        """The arguments of `build_graph`."""
        return {
            "ask": self.ask,
            "offer_tools": self.offer_tools,
            "settle": self.settle,
            "estimate": self.estimate,
        }

    async def offer_tools(self, plan: Plan, workspace: str) -> Offer:
        """Return one seat's tools: those its plan names, under the run's domain rules, and the application's own.

        `workspace` names where its commands keep their files.

        Raises:
            SettingsError: an MCP server cannot be reached.
        """
        named = {tool.name: tool for tool in tools_in(plan["tools"])}
        own = {tool.name: tool for tool in self.own_tools}
        is_mine = own.keys() & named.keys() if plan.get("only_these_tools") else own.keys()
        mine = [limited(tool, named.get(name)) for name, tool in own.items() if name in is_mine]
        others = [tool for name, tool in named.items() if name not in own]
        rules = {name: plan[name] for name in RULES}  # type: ignore[literal-required]
        tools, provider = self._tools_for(plan["model"]), models.search_provider(plan["model"], self.environ)
        named_ones, missing = await tools.offer(others, Place(plan["panel_id"], provider, workspace), **rules)
        offered = [*named_ones, *mine]
        counts = Counter(tool.name for tool in offered)
        if twice := sorted(name for name, count in counts.items() if count > 1):
            hint = "leave one of them out, or rename the MCP server it comes from"
            raise SettingsError(f"tools: several are called {twice[0]!r}", field="tools", value=twice[0], hint=hint)
        return Offer(offered, missing)

    def settle(
        self, call: FusionSettings | Mapping[str, Any] | None, *, stored: Mapping[str, Any] | None
    ) -> FusionSettings:
        """Return the settings of one call, complete; refuse what cannot work before anything is paid.

        Raises:
            SettingsError: a field, a preset, a tool or the combination is impossible.
            ModelLoadError: a model of the roster cannot be loaded.
        """
        settings = resolve(call, stored=stored, environ=self.environ)
        if settings.min_answers > len(settings.panel):
            raise SettingsError(
                f"min_answers = {settings.min_answers} is more than the panel's {len(settings.panel)} seats",
                field="min_answers",
                value=settings.min_answers,
                hint="lower min_answers or add seats",
            )
        if settings.quorum > len(settings.panel):
            raise SettingsError(
                f"quorum = {settings.quorum} is more than the panel's {len(settings.panel)} seats",
                field="quorum",
                value=settings.quorum,
                hint="lower quorum, add seats, or give 0: all seats",
            )
        own = [tool.name for tool in self.own_tools]
        for seat in settings.seats:
            named = tools_in(settings.tools if seat.tools is None else seat.tools)
            rules = {name: getattr(settings, name) for name in RULES}
            self._tools_for(seat.model).check(named, own, **rules)
        self.ask.check(settings.roles)
        if self.knows_prices and settings.max_cost_usd and not settings.price_ceiling:
            self._refuse_unpriced(settings)
        return settings

    def _refuse_unpriced(self, settings: FusionSettings) -> None:
        """Refuse models whose price nobody knows: a budget could not be kept. OpenRouter tells what each call cost."""
        price = make_estimate_price(self.environ)
        asked = [name for name in settings.roles if models.provider_of(name) != "openrouter"]
        if unknown := [name for name in asked if price(name, 1000, 1000)[0] is None]:
            raise SettingsError(
                f"max_cost_usd = {settings.max_cost_usd}: no price is known for {', '.join(unknown)}",
                field="max_cost_usd",
                value=settings.max_cost_usd,
                hint="say what they cost at most with price_ceiling, in US dollars per million tokens (--price-ceiling)",
            )

    def forget(self, run_id: str) -> None:
        """Remove what the commands of a run left on this machine. Blocks; raises OSError."""
        Workspaces(self.environ).remove(f"{RUN}{run_id}")

    async def estimate(self, settings: FusionSettings, seats: Collection[int] | None = None) -> Estimate:
        """Return what a run would cost: the seats still to be asked (None: all), the judge and the writer."""
        past = await self.history() if self.history else []
        # Prices are read from disk, which an event loop must not wait for.
        return await asyncio.to_thread(
            lambda: estimate_run(settings, past, make_estimate_price(self.environ), seats=seats)
        )

    def _tools_for(self, model: str) -> PanelTools:
        return self.demo_tools if is_demo(model) else self.panel_tools


def _most_calls(environ: Mapping[str, str]) -> int | None:
    """Return how many calls a provider may have under way; None: as many as usual, together with others of this process."""
    given = environ.get(CALLS_VARIABLE, "").strip()
    if given and not (given.isdecimal() and int(given)):
        hint = "give a whole number of 1 or more"
        raise SettingsError(f"{CALLS_VARIABLE} = {given!r} is no limit", field=CALLS_VARIABLE, value=given, hint=hint)
    return int(given) if given else None


def _load(name: str, /, *, temperature: float | None, max_tokens: int | None, reasoning: str | None) -> BaseChatModel:
    if is_demo(name):
        return demo.load_demo_model(name)
    return models.load_model(name, temperature=temperature, max_tokens=max_tokens, reasoning=reasoning)


def _check(name: str) -> None:
    demo.check_demo_model(name) if is_demo(name) else models.check_model(name)


def _price(name: str, message: AIMessage) -> tuple[float | None, str | None]:
    return (0.0, demo.DEMO) if is_demo(name) else models.price(name, message)
