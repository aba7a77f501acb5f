"""The look of the report page, in light and dark. Series colours are told apart by the colour-blind too (after Okabe
and Ito), and each stands beside its name wherever it is used."""

from eval.output.svg import NUM_SERIES

_LIGHT = ("#0067a5", "#c4570a", "#00805a", "#a0468c", "#8a6d00", "#1f8fc0", "#7a4a2b", "#5b6470")
_DARK = ("#56a8f0", "#f29a4a", "#3fc79a", "#e08fc8", "#e5c84a", "#7fd0f5", "#c99a78", "#9aa6b4")


def _colours(values: tuple[str, ...]) -> str:
    return ";".join(f"--s{index}:{value}" for index, value in enumerate(values))


STYLE = f"""
:root{{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#5b6470;--line:#d5dae0;--card:#f6f8fa;--good:#e2f3e8;
--bad:#fbe9e4;{_colours(_LIGHT)}}}
@media(prefers-color-scheme:dark){{:root{{--bg:#14171b;--fg:#e4e8ed;--dim:#9aa5b1;--line:#353c45;--card:#1d2228;
--good:#17352a;--bad:#432522;{_colours(_DARK)}}}}}
body{{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;
padding:0 1rem}}
h1{{font-size:1.6rem;margin-bottom:.4rem}}h2{{font-size:1.2rem;margin-top:2.4rem}}
.plots{{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(26rem,100%),1fr));gap:.8rem}}
figure{{margin:0;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.6rem .8rem}}
figcaption{{font-weight:600}}figure .dim{{margin:0 0 .4rem;font-size:.85rem}}
svg{{width:100%;height:auto;font:12px system-ui,sans-serif}}svg text{{fill:var(--fg)}}svg .value{{fill:var(--dim)}}
.whisker,.axis{{stroke:var(--fg);stroke-width:1.4;fill:none}}.grid{{stroke:var(--line);fill:none}}
.curve{{fill:none;stroke-width:2}}.open{{fill:var(--card);stroke:var(--dim);stroke-width:1.6}}
table{{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}}
th,td{{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}}
th{{font-weight:600}}.wide{{overflow-x:auto}}.dim{{color:var(--dim)}}
.answers td{{min-width:7rem;overflow-wrap:anywhere}}td.right{{background:var(--good)}}td.wrong{{background:var(--bad)}}
.run{{display:inline-block;white-space:nowrap;margin-right:1.2rem}}
.key{{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em}}
summary{{cursor:pointer;font-weight:600;margin:.6rem 0}}
.warn{{border-left:4px solid var(--s1);padding:.3rem .8rem;background:var(--card)}}
""" + "".join(
    f".s{i}{{fill:var(--s{i})}}.c{i}{{stroke:var(--s{i})}}.k{i}{{background:var(--s{i})}}" for i in range(NUM_SERIES)
)
