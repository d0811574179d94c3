"""What the job answers: the reference, and whether a peer agrees with it.

Owns the names of the answers and where each stands on Tenure's page. Knows nothing of how a peer
came by its answers.
"""

import json
import re
from datetime import datetime
from decimal import Decimal

PERIOD_MILLIS = 30 * 24 * 60 * 60 * 1000

# Doubles that were divided in another order differ in their last digits.
TOLERANCE = 1e-9
RATIOS = ("retention_ratio", "nps")

SERIES = re.compile(r'(\w+)\{([^}]*)\} (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def of_page(page):
    """The answers that Tenure's metrics page has, as a dictionary."""
    series = _series_of_period(page)

    def values(name, **wanted):
        return [value for found, labels, value in series
                if found == name and wanted.items() <= labels.items()]

    def count(name, **wanted):
        return int(sum(map(Decimal, values(name, **wanted))))

    def ratio(name):
        return float(values(name)[0]) if values(name) else None

    surveys = ("tenure_nps_responses", "tenure_csat_responses", "tenure_ces_responses")
    return {
        "retention_customers": count("tenure_customers_at_start"),
        "retained_customers": count("tenure_period_customers", status="retained"),
        "retention_ratio": ratio("tenure_retention_ratio"),
        "promoters": count("tenure_nps_responses", group="promoter"),
        "passives": count("tenure_nps_responses", group="passive"),
        "detractors": count("tenure_nps_responses", group="detractor"),
        "nps": ratio("tenure_nps_response_score"),
        "orders": count("tenure_orders"),
        "revenue": {labels["currency"]: value for name, labels, value in series
                    if name == "tenure_revenue"},
        "answers": sum(map(count, surveys)),
    }


def _series_of_period(page):
    series = []
    for line in page.splitlines():
        match = 'period="30d"' in line and SERIES.fullmatch(line)
        if match:
            series.append((match[1], dict(LABEL.findall(match[2])), match[3]))
    return series


def of_events(lines, at):
    """The answers that are on no page: sign-up and churn events of the period, repeats once.

    Read from lines of JSON, independently of Tenure.
    """
    counted = {"signup": set(), "churn": set()}
    for line in lines:
        if b'"signup"' not in line and b'"churn"' not in line:
            continue
        event = json.loads(line)
        seen = counted.get(event["type"])
        if seen is not None and at - PERIOD_MILLIS <= millis(event["occurred_at"]) < at:
            seen.add((str(event["customer_id"]), event["event_id"]))
    return {"signups": len(counted["signup"]), "churns": len(counted["churn"])}


def millis(time):
    """Unix milliseconds of a time in an event: a number of them, or RFC 3339."""
    if isinstance(time, int):
        return time
    parsed = datetime.fromisoformat(time.replace("Z", "+00:00"))
    return round(parsed.timestamp() * 1000)


def differences(reference, found):
    """A line for each answer of the reference that `found` has otherwise, or not at all."""
    lines = []
    for name, expected in reference.items():
        if not _equal(name, expected, found.get(name)):
            lines.append(f"{name}: {found.get(name)} instead of {expected}")
    return lines


def _equal(name, expected, found):
    if name == "revenue":
        return isinstance(found, dict) and _amounts(found) == _amounts(expected)
    if name in RATIOS and expected is not None:
        return isinstance(found, (int, float)) and abs(found - expected) <= TOLERANCE * max(1, abs(expected))
    return found == expected


def _amounts(revenue):
    """Exact decimals; a currency without revenue is as good as none."""
    amounts = {currency: Decimal(str(amount)) for currency, amount in revenue.items()}
    return {currency: amount for currency, amount in amounts.items() if amount}
