
"use strict";
// It reads the packed findings (pack.go) and shows them in pages of a table. It makes elements and
// sets their text. It never parses a text as markup, and the page's policy would forbid it.
(async () => {
  const VERDICT = 0, SEVERITY = 1, CHECK = 2, QUESTION = 3, PARTS = 4, SUBJECT = 5, NAMESPACE = 6,
    NODE = 7, BASIS = 8, MESSAGE = 9, REASON = 10, ACCEPTED = 11, REMEDY = 12, PATCH = 13,
    COUNTS = 14, LOST = 15, COLUMNS = 16;
  const PAGE = 100; // findings
  const MOST = 1000; // choices of one list
  const MARKS = {fail: "✗", unknown: "?", accepted: "~", pass: "✓"};
  const byId = (id) => document.getElementById(id);

  // make returns an element with attributes and children. A child is an element or a text.
  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    element.append(...children);
    return element;
  }
  // name returns the children for a name: a line may break after each slash.
  function name(text) {
    return text.split(/(?<=\/)/).flatMap((part, i) => i === 0 ? [part] : [make("wbr"), part]);
  }

  async function read() {
    const text = byId("data").textContent;
    let bytes;
    if (Uint8Array.fromBase64) {
      bytes = Uint8Array.fromBase64(text);
    } else {
      const decoded = atob(text);
      bytes = new Uint8Array(decoded.length);
      for (let i = 0; i < decoded.length; i++) bytes[i] = decoded.charCodeAt(i);
    }
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const decoder = new TextDecoder();
    let at = 4 + new DataView(bytes.buffer).getUint32(0, true);
    const about = JSON.parse(decoder.decode(bytes.subarray(4, at)));
    const texts = decoder.decode(bytes.subarray(at, at + about.texts));
    at += about.texts;
    const columns = [];
    for (let c = 0; c < COLUMNS + 3; c++) {
      const n = c < COLUMNS ? about.rows : about.evidence, column = new Uint32Array(n);
      for (let i = 0; i < n; i++) column[i] = bytes[at + i] | bytes[at + n + i] << 8 | bytes[at + 2 * n + i] << 16 | bytes[at + 3 * n + i] << 24;
      columns.push(column);
      at += 4 * n;
    }
    return {about, texts, columns};
  }

  let data;
  try {
    data = await read();
  } catch (error) {
    const said = byId("error");
    said.textContent = "This browser cannot unpack the findings, so only the worst are shown. It needs DecompressionStream. " + error;
    said.hidden = false;
    byId("worst").classList.add("shown");
    return;
  }
  const {about, texts, columns} = data;
  const strings = texts.split("\n");
  const rows = about.rows, counts = columns[COUNTS], lost = columns[LOST];
  const [sources, values, bases] = columns.slice(COLUMNS);
  const own = (object, key) => Object.hasOwn(object, key) ? object[key] : undefined;
  const begin = new Uint32Array(rows + 1); // of each finding's evidence
  for (let i = 0; i < rows; i++) begin[i + 1] = begin[i] + counts[i];

  // tally counts the findings of each text of a column, and sorts the texts.
  function tally(column) {
    const number = new Uint32Array(strings.length), found = [];
    for (let i = 0; i < rows; i++) if (number[column[i]]++ === 0) found.push(column[i]);
    return {number, found};
  }
  // A finding about a workload is about pods of any nodes: its evidence names them.
  const label = (column, text) => strings[text] || (column === NODE ? "(no single node)" : "(none)");
  const unknown = strings.indexOf("unknown"); // -1 if no finding is
  const unknowns = (list) => list.reduce((sum, i) => sum + (columns[VERDICT][i] === unknown ? 1 : 0), 0);
  const byText = (a, b) => strings[a] < strings[b] ? -1 : 1;

  // Filters. The dictionary is searched once for a text, then rows only look up its result.
  let lower = null;
  const state = {text: "", group: ""};
  const chosen = new Map(); // column: index of the text
  const ranks = new Map(); // column: rank of each text
  function filtered() {
    let hit = null;
    const words = state.text.toLowerCase().trim().replace(/\s+/g, " ");
    if (words !== "") {
      lower = lower || texts.toLowerCase().split("\n");
      hit = new Uint8Array(strings.length);
      for (let i = 0; i < hit.length; i++) hit[i] = lower[i].includes(words) ? 1 : 0;
    }
    const wanted = [...chosen].map(([column, value]) => [columns[column], value]);
    const out = [];
    row: for (let i = 0; i < rows; i++) {
      for (const [column, value] of wanted) if (column[i] !== value) continue row;
      if (hit && !matches(hit, i)) continue;
      out.push(i);
    }
    if (state.group !== "") {
      const column = columns[state.group];
      if (!ranks.has(column)) {
        const rank = new Uint32Array(strings.length);
        tally(column).found.sort(byText).forEach((text, i) => { rank[text] = i; });
        ranks.set(column, rank);
      }
      const rank = ranks.get(column);
      out.sort((a, b) => rank[column[a]] - rank[column[b]] || a - b);
    }
    return out;
  }
  function matches(hit, i) {
    for (let c = 0; c < COUNTS; c++) if (hit[columns[c][i]]) return true;
    for (let e = begin[i]; e < begin[i + 1]; e++) if (hit[sources[e]] || hit[values[e]] || hit[bases[e]]) return true;
    return false;
  }

  let found = filtered(), page = 0;
  const total = unknowns(found);
  const status = make("p", {role: "status"});
  const body = make("tbody", {role: "rowgroup"});
  const back = make("button", {type: "button"}, "Previous"), next = make("button", {type: "button"}, "Next");
  const place = make("span", {"aria-live": "polite"});
  const clear = make("button", {type: "button"}, "Clear filters");
  const filters = make("div", {class: "filters", role: "search", "aria-label": "Filter the findings"});

  function field(title, input) {
    filters.append(make("label", {}, title, input));
    return input;
  }
  const search = field("Text", make("input", {type: "search", id: "text", autocomplete: "off", spellcheck: "false"}));
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { state.text = search.value; refresh(); }, 100);
  });
  const selects = [];
  for (const [title, column] of [["Verdict", VERDICT], ["Severity", SEVERITY], ["Namespace", NAMESPACE], ["Node", NODE], ["Check", CHECK]]) {
    const {number, found: all} = tally(columns[column]);
    let most = all;
    if (most.length > MOST) most = most.sort((a, b) => number[b] - number[a]).slice(0, MOST);
    if (column > SEVERITY) most.sort(byText);
    const options = most.map((text) => make("option", {value: text}, `${label(column, text)} (${number[text]})`));
    if (all.length > MOST) options.push(make("option", {disabled: ""}, `and ${all.length - MOST} more: use Text`));
    const select = make("select", {id: title.toLowerCase()}, make("option", {value: ""}, "all"), ...options);
    selects.push(select);
    field(title, select).addEventListener("change", () => {
      if (select.value === "") chosen.delete(column); else chosen.set(column, Number(select.value));
      refresh();
    });
  }
  const order = make("select", {id: "order"}, make("option", {value: ""}, "worst first"));
  for (const [title, column] of [["by check", CHECK], ["by namespace", NAMESPACE], ["by node", NODE]]) order.append(make("option", {value: column}, title));
  field("Order", order).addEventListener("change", () => { state.group = order.value === "" ? "" : Number(order.value); refresh(); });
  clear.addEventListener("click", () => {
    for (const select of selects) select.value = "";
    chosen.clear();
    search.value = state.text = "";
    refresh();
    search.focus();
  });

  function cell(title, ...children) {
    return make("td", {role: "cell", "data-of": title}, ...children);
  }
  function details(i) {
    const of = (column) => strings[columns[column][i]];
    const list = make("dl");
    const lines = (title, texts) => {
      texts = texts.filter((text) => text !== "");
      if (texts.length > 0) list.append(make("dt", {}, title), ...texts.map((text) => make("dd", {}, text)));
    };
    for (let e = begin[i]; e < begin[i + 1]; e++) lines(`${strings[sources[e]] || "Evidence"} (${strings[bases[e]]})`, [strings[values[e]] || "(empty)"]);
    if (lost[i] > 0) lines("Left out", [`${lost[i]} more evidence`]);
    lines("What to do", [of(REMEDY)]);
    if (of(PATCH) !== "") {
      const patch = JSON.parse(of(PATCH));
      lines(`Suggested patch of ${patch.target}: ${patch.safe ? "safe" : "may break something"}`, [
        patch.because, patch.upstream === "" ? "" : `Change it in ${patch.upstream}, which would undo the patch`,
        ...patch.operations, patch.lost > 0 ? `Left out: ${patch.lost} more operations` : ""]);
    }
    lines("Check", [own(about.titles, of(CHECK)) || "", [
      ["question", QUESTION], ["part", PARTS], ["basis", BASIS],
    ].filter(([, column]) => of(column) !== "").map(([title, column]) => `${title} ${of(column)}`).join("; ")]);
    lines("Evidence for", own(about.controls, of(CHECK)) || []);
    return list;
  }
  function show(i) {
    const of = (column) => strings[columns[column][i]];
    const more = make("details", {}, make("summary", {}, counts[i] + lost[i] === 0 ? "Details" : `Evidence (${counts[i] + lost[i]})`));
    more.addEventListener("toggle", () => { if (more.children.length === 1) more.append(details(i)); });
    const finding = cell("Finding", of(MESSAGE));
    if (of(REASON) !== "") finding.append(make("br"), make("small", {}, "Reason: " + of(REASON)));
    if (of(ACCEPTED) !== "") finding.append(make("br"), make("small", {}, "Accepted: " + of(ACCEPTED)));
    finding.append(more);
    const verdict = of(VERDICT);
    return make("tr", {role: "row"},
      cell("Verdict", make("span", {class: "w " + verdict}, `${MARKS[verdict]} ${verdict}`)),
      cell("Severity", of(SEVERITY)), cell("Check", ...name(of(CHECK))), cell("Subject", ...name(of(SUBJECT))), finding);
  }
  // heading names the group of findings that begins with one.
  function heading(first) {
    const column = columns[state.group], text = column[first];
    let number = 0;
    for (const i of found) if (column[i] === text) number++;
    const title = state.group === CHECK && own(about.titles, strings[text]) ? `: ${about.titles[strings[text]]}` : "";
    return make("tr", {role: "row", class: "group"}, make("th", {role: "rowheader", scope: "rowgroup", colspan: "5"},
      ...name(label(state.group, text)), title, ` (${number})`));
  }
  function draw() {
    const first = page * PAGE, last = Math.min(first + PAGE, found.length), shown = [];
    for (let at = first; at < last; at++) {
      if (state.group !== "" && (at === first || columns[state.group][found[at]] !== columns[state.group][found[at - 1]])) shown.push(heading(found[at]));
      shown.push(show(found[at]));
    }
    body.replaceChildren(...shown);
    place.textContent = found.length === 0 ? "No finding" : `${first + 1} to ${last} of ${found.length}`;
    back.disabled = page === 0;
    next.disabled = last >= found.length;
  }
  function refresh() {
    found = filtered();
    page = 0;
    const hidden = total - unknowns(found);
    status.textContent = `${found.length} of ${rows} findings` + (hidden > 0 ? `. Hidden: ${hidden} unknown` : "");
    clear.disabled = chosen.size === 0 && state.text.trim() === "";
    draw();
  }
  back.addEventListener("click", () => { page--; draw(); });
  next.addEventListener("click", () => { page++; draw(); });

  const head = make("tr", {role: "row"});
  for (const title of ["Verdict", "Severity", "Check", "Subject", "Finding"]) head.append(make("th", {role: "columnheader", scope: "col"}, title));
  const table = make("table", {role: "table", class: "findings"}, make("caption", {}, "Findings, 100 a page"), make("thead", {role: "rowgroup"}, head), body);
  refresh();
  const app = byId("app");
  app.append(filters, make("nav", {class: "pages", "aria-label": "Pages of findings"}, status, clear, back, place, next), table);
  app.hidden = false;
  byId("worst").hidden = true;
})();
