"""The arithmetic of terms, against SymPy's own calculus, and the identity test."""

from fractions import Fraction

import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from cellgrad_proof.proof import derivatives, identity, terms
from cellgrad_proof.proof.identity import PRIME, Residues
from cellgrad_proof.proof.polynomials import Exact
from cellgrad_proof.proof.terms import Role

# the arithmetic, against SymPy's own calculus


X, Y = Role("x"), Role("y")
_XY = {X: sympy.Symbol("x"), Y: sympy.Symbol("y")}


def drawn_terms():
    atoms = st.sampled_from([terms.leaf(X), terms.leaf(Y), terms.number(2), terms.number(-1)])

    def larger(inner):
        pair = st.tuples(inner, inner)
        return st.one_of(
            pair.map(terms.total), pair.map(lambda two: terms.product(*two)),
            inner.map(lambda one: terms.quotient(one, terms.total((terms.ONE,
                terms.product(terms.leaf(X), terms.leaf(X)))))),
            st.tuples(st.sampled_from(["EXP", "TANH"]), inner).map(lambda two: terms.call(*two)),
        )  # fmt: skip

    return st.recursive(atoms, larger, max_leaves=6)


def in_sympy(term):
    kind = term[0]
    if kind == "number":
        return sympy.Rational(term[1].numerator, term[1].denominator)
    if kind == "leaf":
        return _XY[term[1]]
    if kind == "sum":
        return sympy.Add(*map(in_sympy, term[1]))
    if kind == "product":
        return sympy.Mul(*map(in_sympy, term[1]))
    if kind == "quotient":
        return in_sympy(term[1]) / in_sympy(term[2])
    function = {"EXP": sympy.exp, "TANH": sympy.tanh}[term[1]]
    return function(*map(in_sympy, term[2]))


@settings(max_examples=60, deadline=None)
@given(term=drawn_terms())
def test_derivatives_are_those_of_sympy(term):
    ours = in_sympy(derivatives.derivative(term, X))
    theirs = sympy.diff(in_sympy(term), _XY[X])
    at = {_XY[X]: sympy.Rational(3, 7), _XY[Y]: sympy.Rational(-2, 5)}
    one, other = (sympy.N(side.subs(at), 40, maxn=400) for side in (ours, theirs))
    assert abs(one - other) <= abs(other) * sympy.Float("1e-30") + sympy.Float("1e-30")


@settings(max_examples=60, deadline=None)
@given(one=drawn_terms(), other=drawn_terms())
def test_both_arithmetics_agree_on_what_is_equal(one, other):
    exact = Exact(64)
    point = Residues()
    for role in (X, Y):
        point.known[role] = point.drawn("given", role)
    pairs = [(one, other), (terms.total((one, other)), terms.total((other, one))),
             (terms.product(one, one), terms.product(one, other))]  # fmt: skip
    for left, right in pairs:
        exactly = exact.same(terms.evaluate(left, exact), terms.evaluate(right, exact))
        tested = terms.evaluate(left, point) == terms.evaluate(right, point)
        assert exactly == tested


def test_functions_of_equal_arguments_are_one_symbol_and_opposites_are_tied():
    for algebra in (Exact(32), Residues()):
        if isinstance(algebra, Residues):
            algebra.known[X] = algebra.drawn("given", X)
        x = terms.leaf(X)
        twice = terms.total((x, x))

        def value(term, algebra=algebra):
            return terms.evaluate(term, algebra)

        def same(one, other, algebra=algebra):
            one, other = value(one), value(other)
            return one == other if isinstance(algebra, Residues) else algebra.same(one, other)

        exp, tanh = (lambda z, name=name: terms.call(name, z) for name in ("EXP", "TANH"))
        assert same(exp(twice), exp(terms.product(terms.number(2), x)))
        assert same(terms.product(exp(x), exp(terms.negative(x))), terms.ONE)
        assert same(tanh(terms.negative(x)), terms.negative(tanh(x)))
        assert not same(exp(x), exp(twice))
        assert not same(exp(x), tanh(x))
        assert same(terms.call("MAX", x, terms.ZERO), terms.call("MAX", terms.ZERO, x))


def test_a_point_on_which_something_wrong_passes_is_as_rare_as_stated():
    # x·(x − 1)·…·(x − 59) has 60 zeros: one trial passes it with a probability of 60 / p
    degrees = identity.Degrees()
    degrees.known[X] = (1, 0)
    factors = [terms.difference(terms.leaf(X), terms.number(n)) for n in range(60)]
    assert terms.evaluate(terms.product(*factors), degrees) == (60, 0)
    assert PRIME == 2**61 - 1
    assert sympy.isprime(PRIME)
    assert Fraction(60, PRIME) < Fraction(1, 2**55)
