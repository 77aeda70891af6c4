"""The training step of training-step-3-4-1.xlsx, cell for cell.

The values that a spreadsheet engine saved in the workbook are read with openpyxl;
the same step is computed by the NumPy MLP from the workbook's own givens; every
quantity must be equal to the last bit. Needs numpy, openpyxl and pytest only.
"""

from pathlib import Path

import numpy as np
import openpyxl
import pytest

from cellgrad.mlp import training_step

WORKBOOK = Path(__file__).parent.parent / "spreadsheets" / "training-step-3-4-1.xlsx"
BOOK = openpyxl.load_workbook(WORKBOOK, data_only=True)


def sheet_values(name):
    """Return the saved values of a defined name, as an array of rows and columns."""
    reference = BOOK.defined_names[name].attr_text  # such as Step!$C$6:$F$8
    sheet, _, area = reference.partition("!")
    cells = BOOK[sheet][area.replace("$", "")]
    rows = cells if isinstance(cells, tuple) else ((cells,),)
    return np.array([[cell.value for cell in row] for row in rows], dtype=np.float64)


@pytest.fixture(scope="module")
def step():
    """Compute the step from the numbers in the workbook's yellow cells."""
    return training_step(
        weights=[sheet_values("weight_ItoH"), sheet_values("weight_HtoO")],
        inputs=sheet_values("input").T,  # a column on the sheet, one a sample
        targets=sheet_values("target"),
        activations=["logistic", "logistic"],
        loss="half_squared_error",
        learning_rate=sheet_values("learning_rate").item(),
    )


# the workbook's name for each quantity, its equation, and the MLP's value
QUANTITIES = {
    "S_preA_H": ("Eq. 1", lambda step: step.pre_activation[0]),
    "S_postA_H": ("Eq. 2", lambda step: step.post_activation[0]),
    "S_preA_O": ("Eq. 3", lambda step: step.pre_activation[1]),
    "S_postA_O": ("Eq. 4", lambda step: step.post_activation[1]),
    "FE": ("Eq. 5", lambda step: step.forward.final_error),
    "E": ("Eq. 6", lambda step: step.forward.error),
    "fA_deriv_O": ("Eq. 7", lambda step: step.activation_derivative[1]),
    "dE_dS_postA_O": ("Eq. 8", lambda step: step.error_derivative),
    "S_ERROR_O": ("Eq. 8", lambda step: step.error_signal[1]),
    "gradient_HtoO": ("Eq. 9", lambda step: step.weight_gradient[1]),
    "new_weight_HtoO": ("Eq. 10", lambda step: step.new_weights[1]),
    "fA_deriv_H": ("Eq. 7", lambda step: step.activation_derivative[0]),
    "S_ERROR_x_weight_H": ("Eq. 11", lambda step: step.backpropagated_error[0]),
    "S_ERROR_H": ("Eq. 11", lambda step: step.error_signal[0]),
    "gradient_ItoH": ("Eq. 12", lambda step: step.weight_gradient[0]),
    "new_weight_ItoH": ("Eq. 13", lambda step: step.new_weights[0]),
}


@pytest.mark.parametrize("name", QUANTITIES)
def test_workbook_and_mlp_agree_to_the_last_bit(name, step):
    equation, value_of = QUANTITIES[name]
    expected = np.atleast_2d(value_of(step))
    actual = sheet_values(name)
    assert actual.shape == expected.shape, f"{name} ({equation})"
    assert np.array_equal(actual, expected), f"{name} ({equation}): {actual} {expected}"


def test_every_quantity_on_the_step_sheet_is_compared():
    on_step = {name for name, d in BOOK.defined_names.items() if d.attr_text.startswith("Step!")}
    givens = {"input", "target", "weight_ItoH", "weight_HtoO", "learning_rate"}
    assert on_step == givens | QUANTITIES.keys()


def test_the_step_is_no_accident_of_these_numbers(step):
    # the commonest mistake, the new output weights in Eq. 11, is far from agreement
    wrong = step.error_signal[1] @ step.new_weights[1].T * step.activation_derivative[0]
    assert np.abs(wrong - sheet_values("S_ERROR_H")).max() > 1e-3
