# SPDX-License-Identifier: GPL-2.0-or-later
import pytest

from keepsane.machine.root import wrong_root


@pytest.mark.parametrize(
    ("command_line", "said"),
    [
        ("root=/dev/sda2 ro", None),
        ("root=PARTUUID=1234-01", None),
        ("root=PARTLABEL=root", None),
        ("rdinit=/init quiet", None),
        ("quiet", "no root= and no initrd"),
        ("root=/dev/sda2 root=UUID=1234", "the kernel alone knows no UUID="),
        ("root=LABEL=root", "the kernel alone knows no LABEL="),
    ],
)
def test_what_the_kernel_finds_alone(command_line: str, said: str | None) -> None:
    found = wrong_root(command_line, has_initrd=False)
    assert (said or "") in (found or "") and (found is None) == (said is None)
    assert wrong_root(command_line, has_initrd=True) is None
