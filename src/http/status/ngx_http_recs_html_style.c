
/*
 * The style and the script of the status as a page of HTML, and the headers
 * that let a browser use these alone: their hashes are those of the literals
 * (W3C, Content Security Policy Level 3, section 2.3.1), and change with them.
 */


#include "ngx_http_recs_html.h"


const ngx_http_recs_status_header_t  ngx_http_recs_html_headers[] = {
    { ngx_string("Content-Security-Policy"),
      ngx_string("default-src 'none'; "
                 "style-src "
                 "'sha256-q3Bry6u7Cx8S5rUoQQCeOwa7kTaDGG1Ewaaqgw9tYAI='; "
                 "script-src "
                 "'sha256-rTKtbeLGp4H96YgnkkjAxZRUN7w4PU+juzpVy1q2Z88='; "
                 "connect-src 'self'; base-uri 'none'; form-action 'none'; "
                 "frame-ancestors 'none'") },
    { ngx_string("X-Content-Type-Options"), ngx_string("nosniff") },
    { ngx_string("Referrer-Policy"), ngx_string("no-referrer") },
    { ngx_null_string, ngx_null_string }
};


/*
 * Colours are in pairs, for light and dark: each text has a contrast of 4.5:1
 * at least with the page, panels and stripes.  Tables scroll in a box of their
 * own, with the first column in place.
 */

const char  ngx_http_recs_html_style[] =
    ":root{color-scheme:light dark;\n"
    "--page:#f6f7f8;--panel:#ffffff;--stripe:#f3f5f7;--line:#d5dae0;\n"
    "--text:#1d2329;--muted:#57616b;--link:#0a56a3;--draw:#3f78b5;"
    "--wash:#dce8f5;\n"
    "--ok:#17663a;--warn:#854d00;--bad:#b01f1a}\n"
    "@media (prefers-color-scheme:dark){:root{\n"
    "--page:#12161a;--panel:#1a1f24;--stripe:#20262c;--line:#353d45;\n"
    "--text:#e3e7eb;--muted:#a2acb6;--link:#84b9f2;--draw:#6aa5e3;"
    "--wash:#24374b;\n"
    "--ok:#72cc94;--warn:#e8b75c;--bad:#ff948b}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:0 1rem 2rem;max-width:92rem;"
    "background:var(--page);color:var(--text);\n"
    "font:15px/1.45 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\","
    "Arial,sans-serif}\n"
    "header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.2rem 1rem;"
    "padding:1rem 0 .75rem}\n"
    "h1{font-size:1.25rem;margin:0;overflow-wrap:anywhere}\n"
    "h2{font-size:1rem;margin:0 0 .1rem}\n"
    "header p,.note,caption,dt,small{color:var(--muted)}\n"
    "header p,.note{margin:0;font-size:.85rem}\n"
    "#live{flex:1;text-align:right}\n"
    "button{font:inherit;font-size:.85rem;padding:.25rem .8rem;border:1px "
    "solid var(--line);border-radius:4px;background:var(--panel);"
    "color:var(--text)}\n"
    ":focus-visible{outline:3px solid var(--link);outline-offset:2px}\n"
    "main:focus{outline:none}\n"
    ".skip{position:absolute;left:-99rem;background:var(--panel);"
    "color:var(--link);padding:.4rem .8rem}\n"
    ".skip:focus{left:.5rem;top:.5rem}\n"
    "section{background:var(--panel);border:1px solid var(--line);"
    "border-radius:6px;padding:.8rem 1rem;margin:0 0 .9rem;min-width:0}\n"
    ".state{border-left:5px solid var(--ok)}\n"
    ".degraded{border-left-color:var(--bad)}\n"
    ".state ul{list-style:none;margin:.5rem 0;padding:0}\n"
    ".state li{display:flex;gap:.6rem;padding:.25rem 0;overflow-wrap:anywhere}"
    "\n"
    ".state li .sign{flex:0 0 5.8rem}\n"
    "main>.note{margin:0 0 .9rem}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,"
    "1fr));gap:.8rem 1.5rem;margin:.5rem 0 0}\n"
    "dd{margin:0}\n"
    "dt{font-size:.85rem}\n"
    ".figure{font-size:1.5rem;font-variant-numeric:tabular-nums}\n"
    ".spark{display:block;width:100%;height:24px;border-bottom:1px solid "
    "var(--line)}\n"
    ".spark path{fill:var(--wash);stroke:var(--draw);stroke-width:1;"
    "vector-effect:non-scaling-stroke}\n"
    "td .spark{min-width:9rem}\n"
    ".pic{width:45%}\n"
    ".scroll{overflow-x:auto;margin:0 -.3rem;background:linear-gradient(to "
    "left,var(--panel) 1.2rem,transparent 2.4rem) calc(100% + 1px) 0/2.4rem "
    "100% no-repeat local,linear-gradient(to left,var(--line),transparent) "
    "right/.8rem 100% no-repeat scroll}\n"
    ".side{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,"
    "21rem),1fr));gap:0 .9rem;align-items:start}\n"
    "nav{flex-basis:100%}\n"
    "nav ul{display:flex;flex-wrap:wrap;gap:.1rem 1rem;list-style:none;"
    "margin:0;padding:0;font-size:.85rem}\n"
    "a{color:var(--link)}\n"
    "table{border-collapse:collapse;width:100%;"
    "font-variant-numeric:tabular-nums}\n"
    "caption{text-align:left;font-size:.85rem;padding:0 0 .4rem}\n"
    "caption span{display:inline-block;position:sticky;left:.3rem;margin:0 "
    ".3rem;max-width:calc(100vw - 3rem)}\n"
    "th,td{padding:.3rem .7rem .3rem .3rem;text-align:left;vertical-align:top;"
    "border-top:1px solid var(--line)}\n"
    "td:last-child,th:last-child{padding-right:.3rem}\n"
    "thead th{border-top:0;color:var(--muted);font-size:.8rem;font-weight:600;"
    "white-space:nowrap;vertical-align:bottom}\n"
    "tbody th{font-weight:600;max-width:16rem;overflow-wrap:break-word}\n"
    "tbody th:first-child{position:sticky;left:0;background:var(--panel)}\n"
    "td{white-space:nowrap}\n"
    "td small{margin-left:.3em}\n"
    "td .long{margin-left:0;display:inline-block;min-width:14rem;"
    "max-width:26rem;white-space:normal;overflow-wrap:anywhere}\n"
    ".n{text-align:right}\n"
    ".still,.none{color:var(--muted)}\n"
    ".still th{font-weight:400}\n"
    ".sign::before{display:inline-block;width:1.1em;font-size:.8em}\n"
    ".ok{color:var(--ok)}\n"
    ".warn{color:var(--warn)}\n"
    ".bad{color:var(--bad);font-weight:600}\n"
    ".idle{color:var(--muted)}\n"
    ".ok::before{content:\"\\25CF\";content:\"\\25CF\"/\"\"}\n"
    ".warn::before{content:\"\\25B2\";content:\"\\25B2\"/\"\"}\n"
    ".bad::before{content:\"\\25A0\";content:\"\\25A0\"/\"\"}\n"
    ".idle::before{content:\"\\25CB\";content:\"\\25CB\"/\"\"}\n"
    "small{font-size:.85em}\n"
    "@media (max-width:40rem){body{padding:0 .5rem 1rem}section{padding:.7rem "
    ".6rem}.tiles{grid-template-columns:1fr 1fr}\n"
    ".still th,tbody th:first-child{max-width:9.5rem}.state li .sign{"
    "flex-basis:auto}}";


/*
 * Fetches the same page each 5 s while somebody can see it, and puts its main
 * element into the place of what is there, unless something is selected or
 * "Pause" was pressed.  Where a table is scrolled to and what has the focus
 * stays; what is degraded is said if that changes.
 */

const char  ngx_http_recs_html_script[] =
    "(function(){\"use strict\";\n"
    "var live=document.getElementById(\"live\"),"
    "button=document.getElementById(\"pause\"),paused=false,busy=false;\n"
    "function say(text){if(live.textContent!==text)live.textContent=text}\n"
    "function selected(){var s=getSelection();return s&&!s.isCollapsed}\n"
    "function swap(next){\n"
    "var old=document.querySelector(\"main\"),lefts={},"
    "active=document.activeElement,id=active&&old.contains(active)"
    "?active.id:\"\";\n"
    "old.querySelectorAll(\".scroll\").forEach(function(box){"
    "lefts[box.id]=box.scrollLeft});\n"
    "old.replaceWith(next);\n"
    "next.querySelectorAll(\".scroll\").forEach(function(box){"
    "box.scrollLeft=lefts[box.id]||0});\n"
    "if(id&&(active=document.getElementById(id)))active.focus({"
    "preventScroll:true})}\n"
    "function load(){\n"
    "if(paused||busy||document.hidden||selected())return;\n"
    "busy=true;\n"
    "fetch(location.pathname+location.search,{headers:{Accept:\"text/html\"},"
    "cache:\"no-store\"}).then(function(r){\n"
    "if(!r.ok)throw new Error(\"status \"+r.status);return r.text()})"
    ".then(function(text){\n"
    "var page=new DOMParser().parseFromString(text,\"text/html\"),"
    "next=page.querySelector(\"main\");\n"
    "if(!next)throw new Error(\"it is another page\");\n"
    "if(paused||selected())return;\n"
    "swap(document.adoptNode(next));\n"
    "say(document.title===page.title?\"\":page.title);\n"
    "document.title=page.title}).catch(function(e){say(\"Not refreshed: "
    "\"+e.message)}).then(function(){busy=false})}\n"
    "button.hidden=false;\n"
    "button.onclick=function(){paused=!paused;button.textContent=paused?\"Go "
    "on\":\"Pause\";say(paused?\"Paused\":\"\");load()};\n"
    "document.addEventListener(\"visibilitychange\",load);\n"
    "setInterval(load,5000)})();";
