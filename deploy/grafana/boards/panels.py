"""The few kinds of panels that all dashboards share, so that a figure looks the same wherever it stands.

Colour is never the only sign: a state is also a word or a shape. Thresholds are those of the handbook policy; a shop
with other levels changes them here, once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DashboardRangeMapOptions,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    RangeMap,
    Threshold,
    ThresholdsMode,
    ValueMappingResult,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="csstream-prometheus")
"""The data source of deploy/grafana/provisioning."""

TAG = "csstream"

GOOD, SOON, BAD = "#3d9970", "#d9a419", "#d64550"

WAIT_S = ((None, GOOD), (15, SOON), (30, BAD))
"""Seconds of a wait, by the first two levels of the handbook."""

SHARE = ((None, BAD), (0.8, SOON), (0.9, GOOD))
"""A share that should be high."""

NONE_IS_GOOD = ((None, GOOD), (1, BAD))
"""A count that should be 0."""

PLAIN: tuple[tuple[float | None, str], ...] = ((None, "text"),)
"""A figure that is neither good nor bad."""

STANDING = (
    (0, 15, "● ok", GOOD),
    (15, 30, "◆ soon", SOON),
    (30, 180, "▲ late", BAD),
    (180, None, "■ breach", BAD),
)
"""Seconds of the oldest wait, in words and shapes."""

Steps = Sequence[tuple[float | None, str]]


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, the query it shows, and how."""

    head: str
    expr: str
    unit: str = "short"
    decimals: int = 0
    words: bool = False
    """Show `STANDING` instead of the number."""


def _steps(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [Threshold(value=value, color=color) for value, color in steps]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _now(expr: str, ref: str = "A") -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).instant().ref_id(ref).datasource(SOURCE)


def _over_time(expr: str, legend: str, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).range().legend_format(legend).ref_id(ref).datasource(SOURCE)


def _refs(number: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:number]


def figure(
    title: str,
    expr: str,
    about: str,
    *,
    unit: str = "short",
    decimals: int = 0,
    steps: Steps = PLAIN,
    width: int = 4,
    height: int = 4,
    hero: bool = False,
) -> stat.Panel:
    """One number. A hero fills its tile with the colour of its state, to be read across a room."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .with_target(_now(expr))
        .unit(unit)
        .decimals(decimals)
        .no_value("–")
        .thresholds(_steps(steps))
        .color_mode(BigValueColorMode.BACKGROUND_SOLID if hero else BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(_last())
        .span(width)
        .height(height)
    )
    return panel.text(common.VizTextDisplayOptions().value_size(120).title_size(28)) if hero else panel


def lines(
    title: str,
    queries: Mapping[str, str],
    about: str,
    *,
    unit: str = "short",
    steps: Steps = (),
    stacked: bool = False,
    width: int = 12,
    height: int = 8,
) -> timeseries.Panel:
    """Figures over time; `queries` is legend -> expression. Steps are drawn as lines."""
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .legend(legend)
        .tooltip(tooltip)
        .show_points(VisibilityMode.NEVER)
        .line_width(2)
        .fill_opacity(40 if stacked else 8)
        .span(width)
        .height(height)
    )
    for ref, (name, expr) in zip(_refs(len(queries)), queries.items(), strict=True):
        panel = panel.with_target(_over_time(expr, name, ref))
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if steps:
        drawn = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(_steps(steps)).thresholds_style(drawn)
    return panel


def bars(
    title: str, expr: str, legend: str, about: str, *, steps: Steps = PLAIN, width: int = 8, height: int = 8
) -> bargauge.Panel:
    """What is there now, one bar each."""
    return (
        bargauge.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .with_target(_now(expr).legend_format(legend))
        .no_value("–")
        .min(0)
        .thresholds(_steps(steps))
        .display_mode(BarGaugeDisplayMode.BASIC)
        .orientation(VizOrientation.HORIZONTAL)
        .reduce_options(_last())
        .span(width)
        .height(height)
    )


def heat(title: str, expr: str, about: str, *, width: int = 12, height: int = 8) -> heatmap.Panel:
    """The buckets of a histogram over time; `expr` is summed by `le`."""
    query = _over_time(expr, "{{le}}", "A").format(PromQueryFormat.HEATMAP)
    color = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    return (
        heatmap.Panel()
        .title(title)
        .description(about)
        .datasource(SOURCE)
        .with_target(query)
        .calculate(False)
        .color(color)
        .y_axis(heatmap.YAxisConfig().unit("s"))
        .span(width)
        .height(height)
    )


def ranking(
    title: str,
    keys: Sequence[str],
    columns: Sequence[Column],
    about: str,
    *,
    worst: str,
    width: int = 24,
    height: int = 10,
    link: tuple[str, str] | None = None,
) -> table.Panel:
    """One row for each combination of `keys` (labels), the highest in the column headed `worst` first.

    `link` is a key and the address its cells lead to.
    """
    refs = _refs(len(columns))
    panel = table.Panel().title(title).description(about).datasource(SOURCE).span(width).height(height)
    for ref, column in zip(refs, columns, strict=True):
        panel = panel.with_target(_now(column.expr, ref).format(PromQueryFormat.TABLE))
    heads = {f"Value #{ref}": column.head for ref, column in zip(refs, columns, strict=True)}
    places = {name: place for place, name in enumerate((*keys, *heads))}
    panel = (
        panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            DataTransformerConfig(
                id_val="organize",
                options={"excludeByName": {"Time": True}, "indexByName": places, "renameByName": heads},
            )
        )
        .with_transformation(
            DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": worst, "desc": True}]})
        )
        .no_value("–")
    )
    for column in columns:
        panel = panel.override_by_name(column.head, _look(column))
    if link is not None:
        key, url = link
        panel = panel.override_by_name(
            key, [DynamicConfigValue(id_val="links", value=[{"title": key, "url": url}])]
        )
    return panel


def _look(column: Column) -> list[DynamicConfigValue]:
    if column.words:
        mappings = [
            RangeMap(
                options=DashboardRangeMapOptions(
                    from_val=low, to=high, result=ValueMappingResult(text=text, color=color, index=place)
                )
            )
            for place, (low, high, text, color) in enumerate(STANDING)
        ]
        return [
            DynamicConfigValue(id_val="mappings", value=mappings),
            DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
        ]
    return [
        DynamicConfigValue(id_val="unit", value=column.unit),
        DynamicConfigValue(id_val="decimals", value=column.decimals),
    ]


def shop_choice() -> dashboard.QueryVariable:
    """The shop, of those that are there."""
    return _choice("shop", "Shop", "label_values(csstream_day_waits, shop)")


def agent_choice() -> dashboard.QueryVariable:
    """An agent of the chosen shop."""
    return _choice("agent", "Agent", 'label_values(csstream_agent_day_waits{shop="$shop"}, agent)')


def _choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": name, "qryType": 1})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def board(name: str, title: str, about: str, *, refresh: str, since: str) -> dashboard.Dashboard:
    """An empty dashboard that leads to the others. Times are the browser's, so a shop sees its own."""
    links = (
        dashboard.DashboardLink("csstream")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
    )
    return (
        dashboard.Dashboard(title)
        .uid(f"csstream-{name}")
        .description(about)
        .tags([TAG])
        .timezone("browser")
        .refresh(refresh)
        .time(since, "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(links)
    )
