"""The formulas of a run's rows: those of a step, and what an optimiser adds."""

from __future__ import annotations

from cellgrad.case.quantities import Index, Key
from cellgrad.case.structure import Structure
from cellgrad.workbook.formulas import Formulas, Reference
from cellgrad_series.parts.run import RunShape


class RunFormulas(Formulas):
    """Writes the formula of any scalar of one row.

    Args:
        shape: the run.
        structure: the step of this row's batch.
        at: where each scalar stands; what the row starts from is named as in a step
            (``weights``, ``biases``) or with ``last_`` before its name (``last_velocity``).
    """

    most = 64  # a row is read by its columns' names: here sums may be longer

    def __init__(self, shape: RunShape, structure: Structure, at: Reference) -> None:
        super().__init__(structure, at)
        self.rule = shape.rule

    # optimisers

    def _gradient_of(self, name: str, k: int, index: Index) -> str:
        gradient: Key = ("bias_gradient" if name.startswith("bias") else "weight_gradient", k)
        return self.at(gradient, index)

    def _velocity(self, k: int, index: Index, name: str = "velocity") -> str:
        gradient = self._gradient_of(name, k, index)
        last, momentum = self.at((f"last_{name}", k), index), self.at(("momentum", None), ())
        rate = f"{self.at(('learning_rate', None), ())}*" if self.rule.rate_in_velocity else ""
        return f"{momentum}*{last}+{rate}{gradient}"

    def _bias_velocity(self, k: int, index: Index) -> str:
        return self._velocity(k, index, "bias_velocity")

    def _moment(self, k: int, index: Index, name: str, beta: str, power: int) -> str:
        gradient = self._gradient_of(name, k, index)
        rate = self.at((beta, None), ())
        last = self.at((f"last_{name}", k), index)
        return f"{rate}*{last}+(1-{rate})" + f"*{gradient}" * power

    def _first_moment(self, k: int, index: Index) -> str:
        return self._moment(k, index, "first_moment", "beta1", 1)

    def _second_moment(self, k: int, index: Index) -> str:
        return self._moment(k, index, "second_moment", "beta2", 2)

    def _bias_first_moment(self, k: int, index: Index) -> str:
        return self._moment(k, index, "bias_first_moment", "beta1", 1)

    def _bias_second_moment(self, k: int, index: Index) -> str:
        return self._moment(k, index, "bias_second_moment", "beta2", 2)

    def _power(self, name: str, beta: str) -> str:
        return f"{self.at((f'last_{name}', None), ())}*{self.at((beta, None), ())}"

    def _beta1_power(self, _: None, __: Index) -> str:
        return self._power("beta1_power", "beta1")

    def _beta2_power(self, _: None, __: Index) -> str:
        return self._power("beta2_power", "beta2")

    def _corrected(self, k: int, index: Index, name: str, power: str) -> str:
        return f"{self.at((name, k), index)}/(1-{self.at((power, None), ())})"

    def _corrected_first_moment(self, k: int, index: Index) -> str:
        return self._corrected(k, index, "first_moment", "beta1_power")

    def _corrected_second_moment(self, k: int, index: Index) -> str:
        return self._corrected(k, index, "second_moment", "beta2_power")

    def _bias_corrected_first_moment(self, k: int, index: Index) -> str:
        return self._corrected(k, index, "bias_first_moment", "beta1_power")

    def _bias_corrected_second_moment(self, k: int, index: Index) -> str:
        return self._corrected(k, index, "bias_second_moment", "beta2_power")

    def _moved(self, old: Key, gradient: Key, index: Index) -> str:
        if self.rule.plain:
            return super()._moved(old, gradient, index)
        prefix = "bias_" if old[0] == "biases" else ""
        sign = "-" if self.minus else "+"
        rate, value = self.at(("learning_rate", None), ()), self.at(old, index)
        if self.rule.optimizer == "adam":
            first = self.at((f"{prefix}corrected_first_moment", old[1]), index)
            second = self.at((f"{prefix}corrected_second_moment", old[1]), index)
            epsilon = self.at(("adam_epsilon", None), ())
            return f"{value}{sign}{rate}*{first}/(SQRT({second})+{epsilon})"
        velocity = self.at((f"{prefix}velocity", old[1]), index)
        return f"{value}{sign}{'' if self.rule.rate_in_velocity else f'{rate}*'}{velocity}"

    # evaluation

    def _validation_error(self, _: None, __: Index) -> str:
        terms = [self.at(("sample_error", None), (s,)) for s in range(self.s.samples)]
        return f"({self._added(terms)})/{self.s.samples}"
