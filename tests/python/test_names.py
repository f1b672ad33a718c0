"""Names and texts for objects: what is read is what was meant, and nothing is executed."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorefield._names import find, parse, parse_call, resolve, snake


class Base:
    pass


@dataclass(frozen=True)
class DPMSolverPP(Base):
    order: int = 2
    variant: str = "multistep"


@dataclass(frozen=True)
class Heun(Base):
    S_tmax: float = math.inf
    times: tuple[float, ...] = ()


TABLE = {"DPMSolverPP": DPMSolverPP, "Heun": Heun, "Euler": Heun}


@pytest.mark.parametrize("name", ["DPMSolverPP", "dpm_solver_pp", "dpmsolverpp", "DPM_SOLVER_PP"])
def test_case_and_underscores_do_not_matter(name):
    assert resolve(name, "sampler", Base, TABLE) == DPMSolverPP()


def test_objects_pass_and_other_things_do_not():
    heun = Heun(3.0)
    assert resolve(heun, "sampler", Base, TABLE) is heun
    with pytest.raises(TypeError, match="sampler must be a Base or one of the names dpm_solver_pp, euler, heun; got 3"):
        resolve(3, "sampler", Base, TABLE)
    with pytest.raises(TypeError, match=r"did you mean Heun\(\)\?"):
        resolve(Heun, "sampler", Base, TABLE)


def test_unknown_names_come_with_the_nearest_and_the_list():
    message = r"unknown sampler 'eulr'; did you mean 'euler'\? Known: dpm_solver_pp, euler, heun"
    with pytest.raises(ValueError, match=message):
        find("eulr", "sampler", TABLE)
    with pytest.raises(ValueError, match=r"unknown sampler 'zzz'\. Known: dpm_solver_pp, euler, heun"):
        find("zzz", "sampler", TABLE)


SMALL = {"DPMSolverPP": "dpm_solver_pp", "LogSNR": "log_snr", "DPM2": "dpm2", "SubVP": "sub_vp", "EDM": "edm"}


@pytest.mark.parametrize("name", SMALL)
def test_class_names_in_small_letters(name):
    assert snake(name) == SMALL[name]


@given(st.integers(1, 3), st.text(max_size=20))
def test_what_repr_prints_is_read_again(order, variant):
    assert parse(repr(DPMSolverPP(order, variant)), "sampler", TABLE) == DPMSolverPP(order, variant)


@given(st.floats(allow_nan=False), st.lists(st.floats(allow_nan=False)).map(tuple))
def test_infinities_and_tuples_are_read_again(value, times):
    assert parse(repr(Heun(value, times)), "sampler", TABLE) == Heun(value, times)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "Heun(open('x'))",
        "Heun(**{'S_tmax': 1})",
        "Heun(*[1])",
        "[Heun()]",
        "Heun(1 + x)",
        "Heun(lambda: 0)",
        "a.Heun()",
        "Heun(",
        "",
        "(" * 5000,
        "Heun(" + "1," * 20000 + ")",
        "-" * 9000 + "1",
        "Heun(\0)",
    ],
)
def test_anything_but_a_name_with_literals_is_refused(text):
    with pytest.raises(ValueError, match="sampler must be a name, or a name with literal arguments"):
        parse(text, "sampler", TABLE)


def test_arguments_that_a_class_does_not_take_are_named():
    message = r"sampler DPMSolverPP: got an unexpected keyword argument 'ordr'; it takes \(order: int = 2"
    with pytest.raises(ValueError, match=message):
        parse("DPMSolverPP(ordr=2)", "sampler", TABLE)


def test_a_call_keeps_positions_and_keywords():
    call = parse_call("UNet(8, widths=(32, 64), eps=-inf)", "net")
    assert (call.name, call.arguments, call.keywords) == ("UNet", (8,), {"widths": (32, 64), "eps": -math.inf})
