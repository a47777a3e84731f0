/** Looks of a report: one column of print-like pages, light and dark, nothing loaded from elsewhere. */
export const STYLE = `
:root{color-scheme:light dark;--ink:#15202e;--muted:#526071;--line:#dfe5ec;--soft:#f4f6f9;--page:#ffffff;--ground:#eef1f5;--accent:#1f6fb4;--good:#1c7a4a;--good-soft:#e4f4ea;--bad:#b3261e;--bad-soft:#fbe9e7;--warn:#8a5a00;--warn-soft:#fdf3dc}
@media (prefers-color-scheme:dark){:root{--ink:#eef3f8;--muted:#a3b1c1;--line:#263545;--soft:#16212d;--page:#0f1822;--ground:#0a1118;--accent:#5aa9ec;--good:#6fd39b;--good-soft:#12301f;--bad:#ff8f86;--bad-soft:#3a1513;--warn:#f0c36a;--warn-soft:#33270c}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.55 Inter,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1040px;margin:0 auto;padding:48px 56px 64px;background:var(--page)}
header{border-bottom:3px solid var(--accent);padding-bottom:22px;margin-bottom:26px}
.kicker{font-size:12px;letter-spacing:.09em;text-transform:uppercase;color:var(--muted);margin:0 0 6px}
h1{font-size:31px;line-height:1.2;margin:0 0 10px;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:20px;line-height:1.3;margin:44px 0 10px;letter-spacing:-.01em}
h3{font-size:15px;margin:22px 0 6px}
p{margin:0 0 12px;max-width:76ch}
.lead{font-size:17px;max-width:70ch;margin:0}
.muted{color:var(--muted)}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;margin:0 0 8px}
a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;margin:22px 0 8px}
.tile{background:var(--soft);border-radius:10px;padding:14px 16px}
.tile b{display:block;font-size:22px;white-space:nowrap;line-height:1.25;font-weight:600;letter-spacing:-.01em}
.tile span{display:block;font-size:12.5px;color:var(--muted);line-height:1.4}
.tile span:first-child{color:var(--ink);font-weight:600;margin-bottom:2px}
.verdict{display:flex;gap:14px;align-items:flex-start;border-radius:10px;padding:14px 18px;margin:18px 0 0}
.verdict>.badge{flex:none;padding-left:0;font-size:13px}.verdict p{margin:0}.verdict ul{margin:6px 0 0}.verdict li:last-child{margin:0}
.verdict.good{background:var(--good-soft)}.verdict.bad{background:var(--bad-soft)}.verdict.warn{background:var(--warn-soft)}
.badge{display:inline-block;border-radius:99px;padding:1px 10px;font-size:12px;font-weight:600;line-height:1.6;white-space:nowrap}
.badge.good{color:var(--good);background:var(--good-soft)}.badge.bad{color:var(--bad);background:var(--bad-soft)}.badge.warn{color:var(--warn);background:var(--warn-soft)}.badge.plain{color:var(--muted);background:var(--soft)}
.scroll{overflow-x:auto;margin:10px 0 16px}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th{text-align:left;font-weight:600;color:var(--muted);font-size:12px;border-bottom:1.5px solid var(--line);padding:6px 12px 6px 0;vertical-align:bottom;white-space:nowrap}
td{border-bottom:1px solid var(--line);padding:6px 12px 6px 0;vertical-align:top}
td:first-child{overflow-wrap:break-word;min-width:150px}
th.n,td.n{text-align:right;white-space:nowrap}
tr.won td{background:var(--good-soft);font-weight:600}
tr.own td{background:var(--soft);font-weight:600}
td small{color:var(--muted);font-weight:400}
dl{display:grid;grid-template-columns:max-content 1fr;gap:5px 22px;margin:10px 0 16px;font-size:14px}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
ul{margin:0 0 14px;padding-left:20px}li{margin:0 0 6px;max-width:76ch}
.small{font-size:13px}.small li{max-width:96ch;margin-bottom:4px}
figure{margin:22px 0;break-inside:avoid}
figure svg{display:block;width:100%;height:auto;border:1px solid var(--line);border-radius:10px}
figcaption{font-size:13.5px;color:var(--muted);margin-top:8px;max-width:80ch}
.dark{display:none}
@media (prefers-color-scheme:dark){.dark{display:block}.light{display:none}}
footer{margin-top:48px;padding-top:16px;border-top:1px solid var(--line);font-size:12.5px;color:var(--muted)}
@media (max-width:700px){.verdict{flex-direction:column;gap:6px}main{padding:28px 18px 40px}h1{font-size:25px}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}}
@media print{
:root{color-scheme:light;--ink:#15202e;--muted:#526071;--line:#dfe5ec;--soft:#f4f6f9;--page:#fff;--ground:#fff;--accent:#1f6fb4;--good:#1c7a4a;--good-soft:#e4f4ea;--bad:#b3261e;--bad-soft:#fbe9e7;--warn:#8a5a00;--warn-soft:#fdf3dc}
@page{margin:16mm 14mm}
body{font-size:10.5pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}main{max-width:none;padding:0}
nav{display:none}.light{display:block}.dark{display:none}h2,h3{break-after:avoid}tr,.tile,.verdict{break-inside:avoid}.scroll{overflow:visible}}
`;
