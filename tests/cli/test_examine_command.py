"""`nca examine`: what it prints, what it writes, and what it says when it cannot."""

import json

from robustness_case import saved


def test_examine_prints_a_table_a_verdict_and_where_the_report_is(nca, here):
    saved("regrow", here / "case.safetensors")
    given = ["case.safetensors", "--seeds", "2", "--samples", "2", "--long", "30"]
    result = nca("examine", *given, "--ask", "damage", "--ask", "translation", "--ask", "rotation")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert max(map(len, lines[: lines.index("")])) <= 80
    assert lines[0].split() == ["check", "condition", "kept", "change"]
    (cut,) = [line for line in lines if "half 50 %, top, at step 4" in line]
    assert cut.endswith("1 [1, 1] heals in 3, 100 % back")
    assert any("moved by 4, 4" in line and line.split()[-1] == "0" for line in lines)
    assert "case" in lines[-4]
    assert "passes 17 of 17 kinds of damage, 4 of 4 translations." in lines[-4]
    assert lines[-3] == (
        "Cut short: random seeds: 2 instead of 8; samples per random seed: 2 instead of 64; "
        "steps of the long run: 30 instead of 10,000."
    )
    assert lines[-1] == "examine-case/report.html"
    assert "4/4  translation" in result.err
    kept = sorted(path.name for path in (here / "examine-case").iterdir())
    assert kept == [
        "conditions.png",
        "examination.json",
        "examination.jsonl",
        "healing.png",
        "pictures.png",
        "report.html",
    ]


def test_examine_prints_what_it_writes_as_json_and_asks_nothing_twice(nca, here):
    saved("still", here / "case.safetensors")
    given = ["case.safetensors", "--quick", "--long", "8", "--ask", "duration", "--out", "deep/er"]
    told = nca("examine", *given, "--json").out
    assert json.loads(told) == json.loads((here / "deep" / "er" / "examination.json").read_text())
    kept = json.loads(told)
    assert list(kept["questions"]) == ["duration"]
    assert kept["settings"]["random seeds"] == "3, 4, 5"
    assert kept["settings"]["cut"].startswith("random seeds: 3 instead of 8; ")
    answered = (here / "deep" / "er" / "examination.jsonl").read_bytes()
    assert nca("examine", *given, "--json").out == told
    assert (here / "deep" / "er" / "examination.jsonl").read_bytes() == answered


def test_an_unknown_question_is_refused_before_anything_is_made(nca, here):
    saved("still", here / "case.safetensors")
    result = nca("examine", "case.safetensors", "--ask", "damge")
    assert (result.code, result.out) == (1, "")
    assert "there is no check 'damge'." in result.err
    assert "did you mean `damage`?" in result.err
    assert not (here / "examine-case").exists()


def test_examine_refuses_a_file_where_its_folder_should_be(nca, here):
    saved("still", here / "case.safetensors")
    (here / "taken").write_text("")
    result = nca("examine", "case.safetensors", "--ask", "damage", "--out", "taken")
    assert result.code == 1
    assert "nothing is written to taken: it is a file." in result.err
    assert "name another one: --out FOLDER" in result.err


def test_what_is_interrupted_says_how_to_go_on(nca, here, monkeypatch):
    saved("still", here / "case.safetensors")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("nca.reports.robustness.run_checks", interrupt)
    result = nca("examine", "case.safetensors", "--ask", "damage")
    assert (result.code, result.out) == (130, "")
    assert "answers are kept in examine-case/examination.jsonl; the same command" in result.err


def test_lines_of_another_format_are_left_alone_and_reported(nca, here):
    saved("still", here / "case.safetensors")
    cache = here / "examine-case" / "examination.jsonl"
    cache.parent.mkdir()
    cache.write_text('{"of": "0", "question": "noise", "random_seed": 3, "rows": []}\n')
    result = nca("examine", "case.safetensors", "--quick", "--ask", "noise")
    assert result.code == 0
    said = "1 lines are of another format or damaged, and not used"
    assert f"{cache.relative_to(here)}: {said}" in result.err
    assert cache.read_text().startswith('{"of": "0"')


def test_no_time_is_told_as_such(nca, here):
    saved("still", here / "case.safetensors")
    result = nca("examine", "case.safetensors", "--ask", "noise", "--budget", "0")
    assert result.code == 0
    assert "noise: 0 of 8 random seeds" in result.out or "noise: 1 of 8" in result.out
