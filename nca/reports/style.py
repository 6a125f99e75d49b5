"""Style sheet of the pages, light and dark."""

STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #ffffff; --ink: #22252a;
  --quiet: #666b73; --line: #e2e0db; --shade: #0004;
  --good: #0b6b4a; --half: #8a5a00; --bad: #a3301f; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #16181b; --card: #1e2125; --ink: #e6e4df; --quiet: #9a9fa8; --line: #33373d;
    --shade: #000c; --good: #5cc79f; --half: #e0ae55; --bad: #f08c7a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }
main { max-width: 1140px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1.25rem; margin: 3rem 0 0.75rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
p { margin: 0.5rem 0; max-width: 75ch; }
.quiet, figcaption { color: var(--quiet); }
.verdict { margin-top: 1.5rem; padding: 1.25rem 1.5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; }
.headline { font-size: 1.2rem; font-weight: 600; line-height: 1.4; }
dl { margin: 1rem 0 0; }
dl > div { padding: 0.6rem 0; border-top: 1px solid var(--line); }
dt { font-weight: 600; }
dt span { margin-left: 0.4rem; padding: 0.05rem 0.55rem; border: 1px solid currentColor;
  border-radius: 999px; font-size: 0.85rem; white-space: nowrap; }
dd { margin: 0.15rem 0 0; color: var(--quiet); max-width: 85ch; }
.good { color: var(--good); } .half { color: var(--half); } .bad { color: var(--bad); }
.open { color: var(--quiet); }
.words > div { display: grid; grid-template-columns: 14rem 1fr; gap: 0 1rem; }
.words dd { overflow-wrap: anywhere; }
@media (max-width: 640px) { .words > div { grid-template-columns: 1fr; } }
figure { margin: 1.25rem 0 1.75rem; }
img { display: block; max-width: 100%; height: auto; padding: 8px; background: #ffffff;
  border: 1px solid var(--line); border-radius: 8px; }
@media (prefers-color-scheme: dark) {
  img.chart { filter: invert(0.88) hue-rotate(180deg); } }
figcaption { margin-top: 0.5rem; font-size: 0.92rem; max-width: 80ch; }
.table { overflow-x: auto; margin: 1rem 0; scrollbar-width: thin;
  scrollbar-color: var(--quiet) transparent; background:
  linear-gradient(to right, var(--paper) 40%, transparent) left / 3rem 100% no-repeat local,
  linear-gradient(to left, var(--paper) 40%, transparent) right / 3rem 100% no-repeat local,
  linear-gradient(to right, var(--shade), transparent) left / 0.8rem 100% no-repeat scroll,
  linear-gradient(to left, var(--shade), transparent) right / 0.8rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.65rem; text-align: right; white-space: nowrap; }
th { color: var(--quiet); font-weight: 500; border-bottom: 1px solid var(--ink); }
th.word, td.word { text-align: left; }
tr.first td { border-top: 1px solid var(--line); }
tbody tr:first-child td { border-top: 0; }
summary { cursor: pointer; color: var(--quiet); }
"""
