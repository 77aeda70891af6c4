"""Which samples an update covers, in which order, and its learning rate."""


class Turn:
    """One update to make.

    Attributes:
        rows: pairs of input and target.
        rate: its learning rate.
    """

    def __init__(self, rows, rate):
        self.rows, self.rate = rows, rate


def turns(case, wrong):
    """Return the updates of a run, in order."""
    batches = _batches(case, wrong)
    count = case["epochs"] * len(batches)
    numbers = list(range(count))
    how = wrong.how("step-count-off-by-one")
    if how == "one too few":
        numbers.pop()
    elif how == "one too many":
        numbers.append(count)
    elif how == "the first is left out":
        numbers.pop(0)
    found = []
    for n in numbers:
        batch = batches[n % len(batches)]
        found += _one_by_one(case, batch, n, count, wrong)
    return found


def _one_by_one(case, batch, n, count, wrong):
    """Return an update; by mistake, one for each of its samples."""
    rate = _rate(case, n, count, wrong)
    how = wrong.how("online-for-batch")
    if how is None or case["update"] == "online":
        return [Turn(batch, rate)]
    if how == "each with LR / N":
        return [Turn([row], rate / len(batch)) for row in batch]
    if how == "each with the full LR":
        return [Turn([row], rate) for row in batch]
    first = n * len(batch)
    return [Turn([row], _scheduled(case, first + s)) for s, row in enumerate(batch)]


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
            other = (s + (1 if "next" in how else -1)) % count
            source, target = (s, other) if "target" in how else (other, other)
        if wrong.makes("first-sample-only"):
            source = target = 0 if wrong.how("first-sample-only") == "the first" else count - 1
        rows.append((samples[source]["input"], samples[target]["target"]))
    return rows


def _rate(case, n, count, wrong):
    if wrong.makes("rate-halves-each-time"):
        return _scheduled(case, n) / 2**n
    how = wrong.how("learning-rate-constant")
    if how == "the first":
        return _scheduled(case, 0)
    if how == "the last":
        return _scheduled(case, count - 1)
    if how == "one update late":
        return _scheduled(case, max(n - 1, 0))
    return _scheduled(case, n)


def _scheduled(case, n):
    """Return the rate of update n; past the end of the list it stays as it is there."""
    rate = case["learning_rate"]
    return rate[min(n, len(rate) - 1)] if isinstance(rate, list) else rate
