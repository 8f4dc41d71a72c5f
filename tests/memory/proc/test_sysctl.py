# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings, and who set them: the order is that of sysctl.d(5), tuned-main.conf(5) and procps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keepsane.memory.proc.sysctl import profile_of, setter_of, settings_of, sysctl, whole_number
from keepsane.memory.snapshot import Snapshot

MODE = "vm.zone_reclaim_mode"
PROC = "proc/sys/vm/zone_reclaim_mode"


def test_a_setting_this_kernel_does_not_have_is_none() -> None:
    assert sysctl(Snapshot(files={}), MODE) is None
    assert sysctl(Snapshot(files={PROC: "1\n"}), MODE) == "1"


def test_a_setting_of_several_numbers_is_no_number() -> None:
    snapshot = Snapshot(files={"proc/sys/vm/lowmem_reserve_ratio": "256\t256\t32\t0\t0\n"})

    assert sysctl(snapshot, "vm.lowmem_reserve_ratio") == "256\t256\t32\t0\t0"
    assert whole_number("256\t256\t32\t0\t0") is None


def test_a_sosreport_has_them_in_one_file() -> None:
    files = {"sos_commands/kernel/sysctl_-a": "vm.swappiness = 60\nvm.zone_reclaim_mode = 1\n"}

    assert sysctl(Snapshot(files=files), MODE) == "1"


def test_the_file_with_the_later_name_wins_wherever_it_lies() -> None:
    snapshot = Snapshot(
        files={
            PROC: "1\n",
            "etc/sysctl.d/10-db.conf": "# our database\nvm.zone_reclaim_mode = 0\n",
            "usr/lib/sysctl.d/50-hpc.conf": "-vm/zone_reclaim_mode=1\n",
        }
    )

    assert [setting.path for setting in settings_of(snapshot, MODE)] == [
        "etc/sysctl.d/10-db.conf",
        "usr/lib/sysctl.d/50-hpc.conf",
    ]
    setter = setter_of(snapshot, MODE)
    assert setter is not None
    assert (setter.path, setter.line, setter.by) == ("usr/lib/sysctl.d/50-hpc.conf", 1, "sysctl.d")


def test_a_file_of_the_same_name_in_etc_hides_the_vendors() -> None:
    files = {
        "etc/sysctl.d/50-hpc.conf": "vm.swappiness = 1\n",
        "usr/lib/sysctl.d/50-hpc.conf": "vm.zone_reclaim_mode = 1\n",
    }

    assert settings_of(Snapshot(files=files), MODE) == ()


def test_sysctl_conf_is_applied_after_the_folders() -> None:
    files = {PROC: "0\n", "etc/sysctl.conf": f"{MODE}=0\n", "etc/sysctl.d/99-a.conf": f"{MODE}=1\n"}

    setter = setter_of(Snapshot(files=files), MODE)

    assert setter is not None and setter.by == "sysctl.conf"


def test_a_tuned_profile_brings_what_it_includes() -> None:
    files = {
        PROC: "1\n",
        "etc/tuned/active_profile": "site\n",
        "etc/tuned/site/tuned.conf": "[main]\ninclude=hpc-compute\n\n[sysctl]\nvm.swappiness=1\n",
        "usr/lib/tuned/hpc-compute/tuned.conf": f"[sysctl]\n{MODE}=1\n[vm]\n{MODE}=7\n",
    }

    setter = setter_of(Snapshot(files=files), MODE)

    assert setter is not None
    assert (setter.by, setter.path, setter.line) == ("TuneD", "usr/lib/tuned/hpc-compute/tuned.conf", 2)


def test_a_profile_without_its_file_is_named_and_sets_nothing() -> None:
    files = {PROC: "1\n", "sos_commands/tuned/tuned-adm_active": "Current active profile: hpc-compute\n"}

    assert profile_of(Snapshot(files=files)) == "hpc-compute"
    assert setter_of(Snapshot(files=files), MODE) is None


def test_a_profile_that_includes_itself_ends() -> None:
    files = {
        "etc/tuned/active_profile": "a\n",
        "etc/tuned/a/tuned.conf": "[main]\ninclude=b\n",
        "etc/tuned/b/tuned.conf": f"[main]\ninclude=a\n[sysctl]\n{MODE}=1\n",
    }

    assert [setting.value for setting in settings_of(Snapshot(files=files), MODE)] == ["1"]


def test_the_kernel_command_line() -> None:
    setter = setter_of(Snapshot(files={PROC: "1\n", "proc/cmdline": f"quiet sysctl.{MODE}=1\n"}), MODE)

    assert setter is not None and setter.by == "the kernel command line"


def test_a_value_that_no_file_gives_was_set_by_something_else() -> None:
    files = {PROC: "1\n", "etc/sysctl.d/10-db.conf": f"{MODE} = 0\n"}

    assert setter_of(Snapshot(files=files), MODE) is None
    assert len(settings_of(Snapshot(files=files), MODE)) == 1


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    names = ("proc/cmdline", "etc/sysctl.conf", "etc/tuned/active_profile", "etc/tuned/a/tuned.conf", PROC)
    settings_of(Snapshot(files=dict.fromkeys(names, text)), MODE)
    sysctl(Snapshot(files=dict.fromkeys(names, text)), MODE)
