"""Parts of time stamps in a graph, as ``read_dates`` makes them."""

from typing import Final

from studio.exports.onnx.graph import DOUBLE, Graph

DAY_S: Final = 86_400.0


def add_date_parts(graph: Graph, seconds: str) -> list[str]:
    """Days, year, month, day, weekday, hour and minute, each of the shape of ``seconds``, which count from 1970 in UTC.

    Howard Hinnant's ``civil_from_days``, in doubles: the calendar repeats every 146,097 days, and years that begin in
    March have their leap day last. NaN stays NaN.
    """

    def calc(kind: str, left: str, right: float) -> str:
        return graph.op(kind, left, graph.constant(right))

    def whole(left: str, right: float) -> str:
        return graph.op("Floor", calc("Div", left, right))

    def rest(left: str, right: float) -> str:
        return graph.op("Sub", left, calc("Mul", whole(left, right), right))

    days = calc("Div", seconds, DAY_S)
    day = graph.op("Floor", days)
    shifted = calc("Add", day, 719_468.0)  # days since March 1 of the year 0
    of_era = rest(shifted, 146_097.0)
    leaps = graph.op("Sub", whole(of_era, 36_524.0), graph.op("Add", whole(of_era, 1_460.0), whole(of_era, 146_096.0)))
    year_of_era = whole(graph.op("Add", of_era, leaps), 365.0)
    before = graph.op("Sub", whole(year_of_era, 4.0), whole(year_of_era, 100.0))
    day_of_year = graph.op("Sub", of_era, graph.op("Add", calc("Mul", year_of_era, 365.0), before))
    march = whole(calc("Add", calc("Mul", day_of_year, 5.0), 2.0), 153.0)  # months since March
    first = whole(calc("Add", calc("Mul", march, 153.0), 2.0), 5.0)
    day_of_month = calc("Add", graph.op("Sub", day_of_year, first), 1.0)
    is_next_year = graph.op("Cast", calc("GreaterOrEqual", march, 10.0), to=DOUBLE)
    month = graph.op("Sub", calc("Add", march, 3.0), calc("Mul", is_next_year, 12.0))
    eras = calc("Mul", whole(shifted, 146_097.0), 400.0)
    year = graph.op("Add", graph.op("Add", year_of_era, eras), is_next_year)
    of_day = rest(seconds, DAY_S)
    weekday = rest(calc("Add", day, 3.0), 7.0)
    return [days, year, month, day_of_month, weekday, whole(of_day, 3_600.0), whole(rest(of_day, 3_600.0), 60.0)]
