/** A colour has the same meaning in every chart, and always a label. */
export const pageStyle = `
:root{color-scheme:light dark;--page:#fcfcfb;--card:#f2f1ee;--ink:#151514;--soft:#5c5b57;--grid:#e4e2dc;--line:#d9d7d0;
--answered:#2a78d6;--again:#e09a00;--failed:#d03b3b;--cancelled:#a5a39c;--validating:#a9cdf2;--running:#2a78d6;--finalizing:#7a63d2}
@media (prefers-color-scheme:dark){:root{--page:#161615;--card:#222220;--ink:#f4f3f0;--soft:#b3b1aa;--grid:#33322f;--line:#3b3a36;
--answered:#4a93e8;--again:#d99a1e;--failed:#e66767;--cancelled:#75736c;--validating:#2b4f78;--running:#4a93e8;--finalizing:#9a86ea}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 3rem;max-width:1010px;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
h1{margin:0;font-size:1.5rem;line-height:1.25;overflow-wrap:anywhere}
h1 small{display:block;font-size:.8rem;font-weight:600;letter-spacing:.04em;text-transform:uppercase;color:var(--soft)}
h2{margin:2.5rem 0 .25rem;font-size:1.15rem}
p{margin:.25rem 0 .75rem;color:var(--soft);max-width:52rem}
code{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.92em}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:.75rem;margin:1.25rem 0 0;padding:0}
.tiles div{padding:.75rem .9rem;background:var(--card);border-radius:8px;border-left:4px solid var(--accent,var(--line))}
.tiles dt{color:var(--soft);font-size:.82rem}
.tiles dd{margin:0;font-size:1.35rem;font-weight:600;font-variant-numeric:tabular-nums;line-height:1.3}
.tiles dd.long{font-size:1rem;overflow-wrap:anywhere}.tiles dd small{display:block;font-size:.78rem;font-weight:400;color:var(--soft)}
.notes{margin:1rem 0 0;padding-left:1.2rem;color:var(--soft)}
.notes strong{color:var(--ink)}
figure{margin:.5rem 0 1rem}
svg{display:block;width:100%;height:auto}
svg.narrow{display:none}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;margin:.25rem 0 0;padding:0;list-style:none;font-size:.85rem;color:var(--soft)}
.legend span{display:inline-block;width:.8em;height:.8em;margin-right:.4em;border-radius:2px}
.scroll{overflow:auto;max-height:36rem;border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .7rem;text-align:left;white-space:nowrap;border-top:1px solid var(--grid)}
thead th{position:sticky;top:0;border-top:0;background:var(--card);font-weight:600;color:var(--soft)}
tbody th{font-weight:600}
.n{text-align:right}
footer{margin-top:2.5rem;padding-top:.75rem;border-top:1px solid var(--line);font-size:.82rem;color:var(--soft)}
@media screen and (max-width:640px){body{padding:1.25rem .9rem 2rem}svg.wide{display:none}svg.narrow{display:block}
.tiles{grid-template-columns:repeat(2,1fr)}.tiles dd{font-size:1.15rem}}
@media print{:root{--page:#fff;--card:#f5f5f3;--ink:#000;--soft:#444;--grid:#ddd;--line:#ccc;color-scheme:light;--answered:#2a78d6;
--again:#e09a00;--failed:#d03b3b;--cancelled:#a5a39c;--validating:#a9cdf2;--running:#2a78d6;--finalizing:#7a63d2}
body{padding:0;max-width:none;font-size:11px}section{break-inside:auto}figure,tr,.tiles div{break-inside:avoid}h2{break-after:avoid}
.scroll{overflow:visible;max-height:none;border:0}th,td{white-space:normal;padding:.2rem .4rem}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;
