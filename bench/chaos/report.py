"""The report of a long run, from what it counted."""

import pathlib

import house

VERDICTS = {
    "whole": "all of the answer, and a normal end",
    "error": "an exact beginning of it, and an error in words",
    "broken": "an exact beginning of it, broken off, where the face has no words left for an error",
    "wrong": "none of these",
}
PROMISES = {
    "Whole": "nothing is wrong with it: all of it",
    "Retried": "it breaks before any content, once or twice: all of it, and nobody sees that it was asked for again",
    "Recovered": "text breaks in its middle, once or twice, and the service goes on honestly: all of it, joined at a seam",
    "Refused": "another try is useless: an error",
    "Truth": "anything else: all of it or an error, and nothing that looks like what it is not",
}


def counts(rows: list[dict], what: str) -> str:
    names = [verdict for verdict in VERDICTS if any(row["counts"].get(verdict) for row in rows)]
    table = [[f"`{row['name']}`" if what == "fault" else row["name"], *[row["counts"].get(name, "") for name in names]] for row in rows]
    return house.table([what, *names], table)


def share(kept: dict) -> str:
    return f"{100 * kept['kept'] / kept['of']:.2f} %" if kept["of"] else "none of these"


def megabytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def held(memory: dict) -> list[list]:
    shares = [(f"after share {number} of {len(memory['shares'])}", share) for number, share in enumerate(memory["shares"], 1)]
    looks = [("when started", memory["fresh"]), *shares, ("right after the last one", memory["at_once"])]
    looks.append((f"after {memory['idle_s']:.0f} s with nothing to do", memory["idle"]))
    return [[when, megabytes(look["own"]), megabytes(look["resident"]), look["files"]] for when, look in looks]


def page(counted: dict, raw: pathlib.Path) -> str:
    tally, memory = counted["tally"], counted["memory"]
    laws = [[law["law"], law["breaches"]] for law in tally["laws"]]
    promises = [
        [name, about, kept["kept"], kept["of"], share(kept)]
        for name, about in PROMISES.items()
        if (kept := tally["promises"].get(name))
    ]
    closings = [
        [closing["phase"], closing["clients"] - closing["too_late"], *[f"{closing[name]:.1f}" for name in ("p50_ms", "p99_ms", "most_ms")], len(closing["breaches"])]
        for closing in counted["closings"]
    ]
    breaches = "\n".join(
        f"- {breach['law']}; `{breach['fault']}`; {breach['face']}: {breach['count']}. {breach['examples'][0]}" for breach in tally["breaches"]
    )
    unmet = "\n".join(f"- {line}" for line in tally["unmet"])
    failures = "\n".join(f"- {failure}" for failure in counted["failures"])
    verdicts = "\n".join(f"- **{name}**: {about}." for name, about in VERDICTS.items())
    return f"""# Chaos

Streams that break in every way, through the gateway and through the client library, and what held for each of them. This page is written by a program:
`bench/run chaos` runs {tally["streams"]:,} streams against a [simulator](simulator.md) that breaks them as ordered, at every byte in its turn, and judges each by what the unbroken answer says. Everything
about a stream follows from a seed and its number; a breach prints the line that repeats just that stream.

{house.machine()}
- seed {counted["seed"]}, {counted["at_once"]} streams at the same time, {counted["took_s"]:.0f} s; {"the program, with its log on disk" if counted["is_program"] else "the gateway as a library, with its log in memory"}
- {tally["streams"]:,} streams, {counted["requests"]:,} requests upstream, {tally["places"]:,} different places to break at, {tally["returns"]:,} returns of readers that had left
- all figures: [{raw}](../{raw})

## What must hold, for every stream

{house.table(["law", "breaches"], laws)}

{len(counted["leaks"])} requests upstream were still open after their readers were gone.

## What is promised

{house.table(["", "where", "kept", "of", ""], promises)}

Where a service goes on dishonestly, no joint can be proven, and the answer ends with an error; a wrong text would be a breach above. Text that broke in its middle, by how the request to go on was met:

{counts(tally["seams"], "the service")}

## Clients that leave

From the client's close (by FIN and by RST, with and without a stream) to the moment at which the simulator sees its connection closed, in milliseconds; at most 100.

{house.table(["phase", "clients", "p50", "p99", "most", "later"], closings)}

## Money

{money(counted["books"])}

## Memory

{house.table(["", "its own", "with the program's pages", "open files and sockets"], held(memory))}

What is left with nothing to do: [operations](operations.md#memory).

## Each fault

What they are: [the catalogue](simulator.md#the-catalogue). `@byte` and `@event` are swept over the whole answer.

{counts(tally["faults"], "fault")}

## Each face

{counts(tally["faces"], "face")}

## Each answer

{counts(tally["subjects"], "answer")}

## How it is judged

{verdicts}

The unbroken answer is what the simulator says to the same request without the fault; where a fault adds to an answer (a new kind of block, the same words again), it is what the simulator sends to who asks it
directly. Events are read by a reader of its own, not by the one that is tested. Resumable faces leave and come back at places of the plan, and one in four is read once more from the beginning and must be the same. A fault that
breaks every attempt alike can only end as an error. Every key is looked for in every byte that came.

## What did not hold

{failures or "Nothing."}

{breaches}

{unmet}
""".rstrip() + "\n"


def money(books: dict) -> str:
    journal, ledger = books["journal"], books["ledger"]
    rows = [[name, f"{journal[name]:,}", f"{ledger[name]:,}"] for name in journal]
    (measured, all_measured), (estimated, all_estimated) = books["measured"], books["estimated"]
    differences = "\n".join(f"- {line}" for line in books["differences"])
    return f"""Each of the {books["billed"]:,} requests that the simulator would bill, beside its row in the ledger: {measured:,} of {all_measured:,} rows that say `measured` are exact to the token, {estimated:,} of {all_estimated:,} of those that say
`estimated` are within 5 % or 16 tokens (an event in which a cut fell is billed, and nobody has it), and {books["missing"]:,} requests have no row. Not judged are {books["unseen"]:,} requests of which the upstream had written more than anybody could see: the gateway had ended them, or a reset took along what was on its way.
The sums include those.

{house.table(["tokens", "simulator", "ledger"], rows)}

{differences}"""
