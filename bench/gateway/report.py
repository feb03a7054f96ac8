"""Figures as people read them: the table of ratios, and every round."""

import statistics

import house
from sections import Figure, Section

# Of each round, the figures of each gateway.
Rounds = list[dict[str, dict[str, float]]]


def words(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {number(value)}" for name, value in figures.items())


def number(value: float | None) -> str:
    if value is None:
        return "-"
    if value == float("inf"):
        return "never"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def row(figure: Figure, rounds: Rounds, name: str) -> list[str] | None:
    """A line of the table of ratios, for one of ours; none where it was not measured."""
    series = {
        each: [figures[each][figure.name] for figures in rounds if figure.name in figures.get(each, {})]
        for each in ("direct", "nginx", name)
    }
    if not series[name]:
        return None
    middle = {each: statistics.median(values) if values else None for each, values in series.items()}
    ratio, spread = None, ""
    if figure.added:
        # A difference of two noisy figures is taken once, of their medians: round by round it can be anything.
        for each in ("nginx", name):
            middle[each] -= middle["direct"]
        if middle["nginx"] > 0:
            ratio = middle[name] / middle["nginx"]
    elif series["nginx"]:
        ratios = [mine / peer for mine, peer in zip(series[name], series["nginx"]) if peer]
        ratio = statistics.median(ratios)
        spread = f" ({number(min(ratios))}-{number(max(ratios))})" if len(ratios) > 1 else ""
    met = None
    if figure.most_ratio is not None:
        # Where nginx adds nothing that can be measured there is no ratio, but still a comparison.
        met = ratio <= figure.most_ratio if ratio is not None else middle[name] <= middle["nginx"]
    if figure.most is not None:
        met = middle[name] <= figure.most
    return [
        f"{figure.about}{f', {figure.unit}' if figure.unit else ''}",
        *[number(middle[each]) for each in ("direct", "nginx", name)],
        f"{number(ratio)}{spread}",
        figure.budget(),
        {None: "", True: "met", False: "missed"}[met],
    ]


def raw(section: Section, rounds: Rounds) -> str:
    names = list(dict.fromkeys(name for each in rounds for figures in each.values() for name in figures))
    rows = [
        [number_of + 1, name, *[number(figures.get(figure)) for figure in names]]
        for number_of, each in enumerate(rounds)
        for name, figures in each.items()
    ]
    return f"### {section.name}: {section.about}\n\n{house.table(['round', 'gateway', *names], rows)}\n"
