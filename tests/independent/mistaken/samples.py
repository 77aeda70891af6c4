"""Which samples an update covers, in which order, and its learning rate."""


class Turn:
    """One update to make.

    Attributes:
        rows: pairs of input and target.
        rate: its learning rate.
        shares: what its gradient is divided by, by mistake.
    """

    def __init__(self, rows, rate, shares=1):
        self.rows, self.rate, self.shares = rows, rate, shares


def turns(case, wrong):
    """Return the updates of a run, in order."""
    batches = _batches(case, wrong)
    found = []
    for n, rate in _numbers(case, len(batches), wrong):
        found += _one_by_one(case, batches[n % len(batches)], n, rate, wrong)
    return found


def _numbers(case, each, wrong):
    """Return the number of every update, from 0, and its rate; an epoch has so many."""
    count = case["epochs"] * each
    plain = [(n, _rate(case, n, wrong)) for n in range(count)]
    how = wrong.how("step-count-off-by-one")
    if how is None:
        return plain
    return {
        "one too few": plain[:-1],
        "one too many": [*plain, (count, _rate(case, count, wrong))],
        "one too many, at the first rate": [*plain, (count, _rate(case, 0, wrong))],
        "the last one again": [*plain, plain[-1]],
        "the first is left out": plain[1:],
        "one epoch too few": plain[:-each],
        "one epoch too many": [
            *plain,
            *((n, _rate(case, n, wrong)) for n in range(count, count + each)),
        ],
    }[how]


def _one_by_one(case, batch, n, rate, wrong):
    """Return an update; by mistake, one for each of its samples."""
    how = wrong.how("online-for-batch")
    if how is None or case["update"] == "online":
        return [Turn(batch, rate)]
    divides = case["update"] == "batch_mean" or "where the mean" not in how
    found = []
    for s, row in enumerate(batch):
        if "the rate by sample" in how:
            rate = _rate(case, n * len(batch) + s, wrong)
        turn = Turn([row], rate)
        if divides and "LR / N" in how:
            turn.rate = rate / len(batch)
        if divides and "gradient divided" in how:
            turn.shares = len(batch)
        found.append(turn)
    return found


def _batches(case, wrong):
    rows = _rows(case["samples"], wrong)
    if wrong.makes("order-reversed"):
        rows.reverse()
    size = 1 if case["update"] == "online" else case.get("batch_size", len(rows))
    if wrong.makes("batch-for-online"):
        size = max(size, len(rows)) if case["update"] == "online" else size
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _rows(samples, wrong):
    """Return input and target of every sample, as the loop over the table picks them."""
    count = len(samples)
    rows = []
    for s in range(count):
        source = target = s
        how = wrong.how("row-shifted")
        if how is not None:
            source, target = _shifted(s, count, how)
        if wrong.makes("first-sample-only"):
            source = target = 0 if wrong.how("first-sample-only") == "the first" else count - 1
        rows.append((samples[source]["input"], samples[target]["target"]))
    return rows


def _shifted(s, count, how):
    """Return the rows that input and target of sample s are taken from."""
    other = s + (1 if how.startswith("the next") else -1)
    if not 0 <= other < count and ("keeping its own" in how or "twice" in how):
        other = s
    other %= count
    if "target" in how:
        return s, other
    return (other, s) if "input" in how else (other, other)


def _rate(case, n, wrong):
    if wrong.makes("rate-halves-each-time"):
        return _scheduled(case, n) / 2**n
    how = wrong.how("learning-rate-constant")
    if how == "the first":
        return _scheduled(case, 0)
    if how == "the last":
        return _scheduled(case, -1)
    if how == "one update late":
        return _scheduled(case, max(n - 1, 0))
    if how == "one update early":
        return _scheduled(case, n + 1)
    return _scheduled(case, n)


def _scheduled(case, n):
    """Return the rate of update n, or of the last; past the end it stays as it is there."""
    rate = case["learning_rate"]
    return rate[min(n, len(rate) - 1)] if isinstance(rate, list) else rate
