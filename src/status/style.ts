/** The style of the status page, in its own file so that the page needs no inline style. */
export const STYLE = `:root {
  color-scheme: light dark;
  --back: #ffffff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --card: #f6f8fa;
  --link: #0550ae; --good: #116329; --bad: #a40e26; --bar: #0550ae;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #0d1117; --text: #e6edf3; --soft: #9ea7b3; --line: #3d444d; --card: #161b22;
    --link: #79b8ff; --good: #56d364; --bad: #ff938a; --bar: #79b8ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}
h1 { font-size: 1.6rem; margin: 0; }
h1 small { font-weight: normal; color: var(--soft); }
h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .5rem 0; }
small, caption, .empty, footer { color: var(--soft); }
a { color: var(--link); }
a:focus-visible, input:focus-visible, button:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 1rem; padding: .5rem 1rem; background: var(--back); }
.good { color: var(--good); }
.bad { color: var(--bad); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .5rem 0; padding: 0; list-style: none; }
::placeholder { color: var(--soft); opacity: 1; }
.facts { margin: 0; }
.facts div { display: grid; grid-template-columns: 13rem 1fr; gap: .25rem 1rem; padding: .35rem 0; border-bottom: 1px solid var(--line); }
.facts dt { font-weight: 600; }
.facts dd { margin: 0; }
.facts ul { margin: 0; padding: 0; list-style: none; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: start; padding-bottom: .5rem; }
th, td { text-align: start; padding: .2rem .5rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
tbody th { font-weight: normal; }
th { overflow-wrap: break-word; }
.group th { font-weight: 600; padding-top: 1rem; }
td { width: 37%; white-space: nowrap; }
.count { display: inline-block; min-width: 4.5rem; padding-inline-end: .5rem; text-align: end; font-variant-numeric: tabular-nums; }
.none { color: var(--soft); }
.plot { display: inline-block; width: calc(100% - 5.5rem); min-width: 4rem; height: 1.8rem; vertical-align: middle; }
.bars { fill: var(--bar); }
.base { fill: var(--line); }
.refusals { margin: 0; padding: 0; list-style: none; }
.refusals li { padding: .5rem 0; border-bottom: 1px solid var(--line); }
.refusals time { color: var(--soft); }
.refusals p { margin: 0; }
code { background: var(--card); padding: 0 .2em; border-radius: .2em; }
code, pre { font-family: ui-monospace, monospace; font-size: .875rem; }
pre { white-space: pre-wrap; padding: .75rem; background: var(--card); border: 1px solid var(--line); }
form p { display: grid; grid-template-columns: 13rem 1fr; gap: .25rem 1rem; align-items: center; max-width: 45rem; }
label { font-weight: 600; }
input, button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--soft); border-radius: .25rem; padding: .4rem .6rem; min-height: 2.75rem; }
button { grid-column: 2; justify-self: start; padding: .4rem 1.2rem; cursor: pointer; }
footer { margin-top: 2rem; border-top: 1px solid var(--line); }
@media (max-width: 40rem) {
  .facts div, form p { grid-template-columns: 1fr; }
  button { grid-column: 1; }
  td { white-space: normal; }
  .count { display: block; min-width: 0; text-align: start; }
  .plot { width: 100%; }
}
`;
