
"use strict";
// It reads the packed findings (pack.go) and shows them in pages of a table. It makes elements and
// sets their text. It never parses a text as markup, and the page's policy would forbid it.
(async () => {
  const VERDICT = 0, SEVERITY = 1, CHECK = 2, QUESTION = 3, PARTS = 4, SUBJECT = 5, NAMESPACE = 6,
    NODE = 7, BASIS = 8, MESSAGE = 9, REASON = 10, ACCEPTED = 11, REMEDY = 12;
  const PAGE = 100;
  const MARKS = {fail: "✗", unknown: "?", accepted: "~", pass: "✓"};
  const byId = (id) => document.getElementById(id);

  // make returns an element with attributes and children. A child is an element or a text.
  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  async function read() {
    const text = atob(byId("data").textContent);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  let data;
  try {
    data = await read();
  } catch (error) {
    const said = byId("error");
    said.textContent = "This browser cannot unpack the findings, so only the worst are shown. It needs DecompressionStream. " + error;
    said.hidden = false;
    return;
  }
  const {strings, columns, counts, lost, evidence} = data;
  const titles = new Map(Object.entries(data.titles));
  const rows = counts.length;
  const begin = new Uint32Array(rows + 1); // of each finding's evidence
  for (let i = 0; i < rows; i++) begin[i + 1] = begin[i] + counts[i];

  // Filters. The dictionary is searched once for a text, then rows only look up its result.
  let lower = null;
  const state = {text: "", order: ""};
  const chosen = new Map(); // column: index of the text
  function filtered() {
    let hit = null;
    const words = state.text.toLowerCase().trim();
    if (words !== "") {
      lower = lower || strings.map((s) => s.toLowerCase());
      hit = new Uint8Array(strings.length);
      for (let i = 0; i < lower.length; i++) hit[i] = lower[i].includes(words) ? 1 : 0;
    }
    const wanted = [...chosen].map(([column, value]) => [columns[column], value]);
    const out = [];
    row: for (let i = 0; i < rows; i++) {
      for (const [column, value] of wanted) if (column[i] !== value) continue row;
      if (hit && !matches(hit, i)) continue;
      out.push(i);
    }
    if (state.order !== "") {
      const column = columns[Number(state.order)];
      const rank = new Map([...new Set(column)].sort((a, b) => strings[a] < strings[b] ? -1 : 1).map((s, i) => [s, i]));
      out.sort((a, b) => rank.get(column[a]) - rank.get(column[b]) || a - b);
    }
    return out;
  }
  function matches(hit, i) {
    for (const column of columns) if (hit[column[i]]) return true;
    for (let e = begin[i] * 3; e < begin[i + 1] * 3; e++) if (hit[evidence[e]]) return true;
    return false;
  }

  let found = [], page = 0;
  const status = make("p", {role: "status"});
  const body = make("tbody", {role: "rowgroup"});
  const back = make("button", {type: "button"}, "Previous"), next = make("button", {type: "button"}, "Next");
  const place = make("span");
  const filters = make("div", {class: "filters", role: "search", "aria-label": "Filter the findings"});

  function field(name, input) {
    filters.append(make("label", {}, name, input));
    return input;
  }
  const search = field("Text", make("input", {type: "search", id: "text", autocomplete: "off"}));
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { state.text = search.value; refresh(); }, 100);
  });
  for (const [name, column] of [["Verdict", VERDICT], ["Severity", SEVERITY], ["Namespace", NAMESPACE], ["Node", NODE], ["Check", CHECK]]) {
    const number = new Map();
    for (const s of columns[column]) number.set(s, (number.get(s) || 0) + 1);
    const select = make("select", {id: name.toLowerCase()}, make("option", {value: ""}, "all"));
    const values = [...number.keys()];
    if (column > SEVERITY) values.sort((a, b) => strings[a] < strings[b] ? -1 : 1);
    for (const s of values) select.append(make("option", {value: String(s)}, `${strings[s] || "(none)"} (${number.get(s)})`));
    field(name, select).addEventListener("change", () => {
      if (select.value === "") chosen.delete(column); else chosen.set(column, Number(select.value));
      refresh();
    });
  }
  const order = make("select", {id: "order"}, make("option", {value: ""}, "worst first"));
  for (const [name, column] of [["check", CHECK], ["namespace", NAMESPACE], ["node", NODE]]) order.append(make("option", {value: String(column)}, name));
  field("Order", order).addEventListener("change", () => { state.order = order.value; refresh(); });

  function cell(name, ...children) {
    return make("td", {role: "cell", "data-of": name}, ...children);
  }
  function show(i) {
    const of = (column) => strings[columns[column][i]];
    const list = make("dl");
    const line = (name, text) => { if (text !== "") list.append(make("dt", {}, name), make("dd", {}, text)); };
    const details = make("details", {}, make("summary", {}, `Evidence (${counts[i] + lost[i]})`));
    details.addEventListener("toggle", () => {
      if (list.isConnected) return;
      for (let e = begin[i] * 3; e < begin[i + 1] * 3; e += 3) {
        line(`${strings[evidence[e]] || "Evidence"} (${strings[evidence[e + 2]]})`, strings[evidence[e + 1]] || "(empty)");
      }
      if (lost[i] > 0) line("Left out", `${lost[i]} more evidence`);
      line("What to do", of(REMEDY));
      line("Check", titles.get(of(CHECK)) || "");
      line("Question", of(QUESTION));
      line("Parts", of(PARTS));
      line("Basis", of(BASIS));
      details.append(list);
    });
    const finding = cell("Finding", of(MESSAGE));
    if (of(REASON) !== "") finding.append(make("br"), make("small", {}, "Reason: " + of(REASON)));
    if (of(ACCEPTED) !== "") finding.append(make("br"), make("small", {}, "Accepted: " + of(ACCEPTED)));
    finding.append(details);
    const verdict = of(VERDICT);
    return make("tr", {role: "row"},
      cell("Verdict", make("span", {class: "w " + verdict}, `${MARKS[verdict]} ${verdict}`)),
      cell("Severity", of(SEVERITY)), cell("Check", of(CHECK)), cell("Subject", of(SUBJECT)), finding);
  }
  function draw() {
    const first = page * PAGE, last = Math.min(first + PAGE, found.length);
    body.replaceChildren(...found.slice(first, last).map(show));
    place.textContent = found.length === 0 ? "No finding" : `${first + 1} to ${last} of ${found.length}`;
    back.disabled = page === 0;
    next.disabled = last >= found.length;
  }
  function refresh() {
    found = filtered();
    page = 0;
    status.textContent = `${found.length} of ${rows} findings`;
    draw();
  }
  back.addEventListener("click", () => { page--; draw(); });
  next.addEventListener("click", () => { page++; draw(); });

  const head = make("tr", {role: "row"});
  for (const name of ["Verdict", "Severity", "Check", "Subject", "Finding"]) head.append(make("th", {role: "columnheader", scope: "col"}, name));
  const app = byId("app");
  app.append(filters, status, make("nav", {class: "pages", "aria-label": "Pages of findings"}, back, place, next),
    make("table", {role: "table"}, make("caption", {}, "Findings, 100 a page"), make("thead", {role: "rowgroup"}, head), body));
  refresh();
  app.hidden = false;
  byId("worst").hidden = true;
})();
