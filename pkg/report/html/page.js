
"use strict";
// It reads the packed findings (pack.go) and shows them in pages of a table. It makes elements and
// sets their text. It never parses a text as markup, and the page's policy would forbid it.
//
// It stands in the head. The plain list of the worst findings is hidden at once, and only if this
// script runs: a server's own policy may block it, and an old browser may not understand it.
(() => {
  const VERDICT = 0, SEVERITY = 1, CHECK = 2, QUESTION = 3, PARTS = 4, SUBJECT = 5, NAMESPACE = 6,
    NODE = 7, BASIS = 8, MESSAGE = 9, REASON = 10, ACCEPTED = 11, REMEDY = 12, PATCH = 13,
    COUNTS = 14, LOST = 15, COLUMNS = 16;
  const PAGE = 100; // findings
  const MOST = 1000; // choices of one list
  const WEIGHTS = ["fail", "unknown", "accepted", "pass", "critical", "high", "medium", "low"];
  const NEEDS = "Chrome or Edge 86, Firefox 113, Safari 16.4, or newer."; // html.go and its tests have it too
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
    return text.split("/").flatMap((part, i) => i === 0 ? [part] : ["/", make("wbr"), part]);
  }
  // fail says why not all findings are shown, and shows the worst.
  function fail(why) {
    const said = byId("error");
    said.textContent = why;
    said.hidden = false;
    byId("app").hidden = true;
    document.documentElement.classList.remove("script");
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

  function main({about, texts, columns}) {
    const strings = texts.split("\n");
    const rows = about.rows, counts = columns[COUNTS], lost = columns[LOST];
    const [sources, values, bases] = columns.slice(COLUMNS);
    const own = (object, key) => Object.prototype.hasOwnProperty.call(object, key) ? object[key] : undefined;
    const begin = new Uint32Array(rows + 1); // of each finding's evidence
    for (let i = 0; i < rows; i++) begin[i + 1] = begin[i] + counts[i];

    // A finding about a workload is about pods of any nodes: its evidence names them.
    const NONE = {[NAMESPACE]: "(no namespace)", [NODE]: "(no single node)"};
    const label = (column, text) => strings[text] || NONE[column] || "(none)";
    const unknown = strings.indexOf("unknown"); // -1 if no finding is
    const unknowns = (found) => found.reduce((sum, i) => sum + (columns[VERDICT][i] === unknown ? 1 : 0), 0);
    const byText = (a, b) => strings[a] < strings[b] ? -1 : 1;

    // Lists to choose from. Each numbers the texts of its column from 0, so that counting the findings
    // of each choice takes one array as short as the list. choice is the number of the chosen text, or
    // -1. Verdicts and severities are few: they are sorted by weight, and stay in the list at 0.
    const code = new Uint32Array(strings.length);
    const lists = [["Verdict", VERDICT], ["Severity", SEVERITY], ["Namespace", NAMESPACE], ["Node", NODE], ["Check", CHECK]].map(([title, column]) => {
      const of = columns[column], found = [], codes = new Uint32Array(rows), few = column <= SEVERITY;
      for (let i = 0; i < rows; i++) if (code[of[i]] === 0) code[of[i]] = found.push(of[i]);
      found.sort(few ? (a, b) => WEIGHTS.indexOf(strings[a]) - WEIGHTS.indexOf(strings[b]) : byText);
      found.forEach((text, i) => { code[text] = i; });
      for (let i = 0; i < rows; i++) codes[i] = code[of[i]];
      for (const text of found) code[text] = 0;
      return {title, column, few, codes, texts: found, counts: new Uint32Array(found.length), choice: -1,
        options: new Map(), shown: null, select: make("select", {id: title.toLowerCase()}, make("option", {value: ""}, "all"))};
    });

    // Filters. The dictionary is searched once for a text, then rows only look up its result, and the
    // other filters look up whether the row has the text.
    let lower = null, words = "", hits = null;
    const state = {text: "", group: null}; // group: a list
    function search(text) {
      text = text.toLowerCase().trim().replace(/\s+/g, " ");
      if (text === words) return;
      words = text;
      if (words === "") {
        hits = null;
        return;
      }
      lower = lower || texts.toLowerCase().split("\n");
      const hit = new Uint8Array(strings.length);
      for (let i = 0; i < hit.length; i++) hit[i] = lower[i].includes(words) ? 1 : 0;
      hits = new Uint8Array(rows);
      for (let i = 0; i < rows; i++) hits[i] = matches(hit, i) ? 1 : 0;
    }
    function matches(hit, i) {
      for (let c = 0; c < COUNTS; c++) if (hit[columns[c][i]]) return true;
      for (let e = begin[i]; e < begin[i + 1]; e++) if (hit[sources[e]] || hit[values[e]] || hit[bases[e]]) return true;
      return false;
    }
    // filtered returns the findings that all filters leave. It counts, for each choice of each list,
    // those that all filters but the list's own leave: what the choice would show.
    function filtered() {
      search(state.text);
      for (const list of lists) list.counts.fill(0);
      const wanted = lists.filter((list) => list.choice >= 0);
      const out = [];
      row: for (let i = 0; i < rows; i++) {
        if (hits !== null && hits[i] === 0) continue;
        let missed = null; // the only list whose choice is another
        for (const list of wanted) {
          if (list.codes[i] === list.choice) continue;
          if (missed !== null) continue row;
          missed = list;
        }
        if (missed !== null) {
          missed.counts[missed.codes[i]]++;
          continue;
        }
        for (const list of lists) list.counts[list.codes[i]]++;
        out.push(i);
      }
      return out;
    }
    // grouped sorts findings by the texts of a list, and keeps their order within one text.
    function grouped(found, list) {
      const next = new Uint32Array(list.texts.length + 1), out = new Array(found.length);
      for (const i of found) next[list.codes[i] + 1]++;
      for (let c = 1; c < next.length; c++) next[c] += next[c - 1];
      for (const i of found) out[next[list.codes[i]]++] = i;
      return out;
    }

    const total = unknowns(columns[VERDICT].map((_, i) => i));
    let found = [], page = 0, hidden = 0; // hidden: unknown findings that the filters leave out
    const status = make("p", {role: "status"}); // the only live region: one change, one announcement
    const body = make("tbody", {role: "rowgroup"});
    const button = (text) => make("button", {type: "button"}, text);
    const clear = button("Clear filters");
    // The buttons stand above the table and below it. Those below lead back to the table's begin.
    const [above, below] = ["Pages of findings", "Pages of findings, below the table"].map((title) => {
      const back = button("Previous"), next = button("Next"), place = make("span");
      return {back, next, place, nav: make("nav", {class: "pages", "aria-label": title}, back, place, next)};
    });
    const filters = make("div", {class: "filters", role: "search", "aria-label": "Filter the findings"});

    function field(title, input) {
      filters.append(make("label", {}, title, input));
      return input;
    }
    const query = field("Text", make("input", {type: "search", id: "text", autocomplete: "off", spellcheck: "false"}));
    let timer = 0;
    query.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => { state.text = query.value; refresh(); }, 100);
    });
    for (const list of lists) {
      field(list.title, list.select).addEventListener("change", () => {
        list.choice = list.select.value === "" ? -1 : Number(list.select.value);
        refresh();
      });
    }
    const order = field("Order", make("select", {id: "order"}, make("option", {value: ""}, "worst first")));
    lists.forEach((list, i) => {
      if (!list.few) order.append(make("option", {value: i}, "by " + list.title.toLowerCase()));
    });
    order.addEventListener("change", () => { state.group = order.value === "" ? null : lists[order.value]; refresh(); });
    clear.addEventListener("click", () => {
      for (const list of lists) list.choice = -1;
      clearTimeout(timer);
      query.value = state.text = "";
      refresh();
      query.focus();
    });

    // offer shows the choices of a list with their counts. Its own choice changes none of them, so a
    // list does not change under the hand that holds it.
    function offer(list) {
      let shown = [];
      list.counts.forEach((n, c) => { if (n > 0 || list.few || c === list.choice) shown.push(c); });
      const fit = shown.length;
      if (fit > MOST) {
        shown.sort((a, b) => (b === list.choice) - (a === list.choice) || list.counts[b] - list.counts[a] || a - b);
        shown = shown.slice(0, MOST).sort((a, b) => a - b);
      }
      for (const c of shown) {
        const n = list.counts[c];
        let option = list.options.get(c);
        if (!option) list.options.set(c, option = {n: -1, element: make("option", {value: c})});
        if (option.n !== n) option.element.textContent = `${label(list.column, list.texts[c])} (${n})`;
        option.n = n;
      }
      const notes = [];
      if (fit > MOST) notes.push(`and ${fit - MOST} more: use Text`);
      if (fit < list.texts.length) notes.push(`${list.texts.length - fit} more: no finding with these filters`);
      const now = shown.join() + notes.join();
      if (now === list.shown) return;
      list.shown = now;
      list.select.replaceChildren(list.select.options[0], ...shown.map((c) => list.options.get(c).element), ...notes.map((note) => make("option", {disabled: ""}, note)));
    }

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
      const list = state.group, text = list.texts[list.codes[first]];
      let number = 0;
      for (const i of found) if (list.codes[i] === list.codes[first]) number++;
      const title = list.column === CHECK && own(about.titles, strings[text]) ? `: ${about.titles[strings[text]]}` : "";
      return make("tr", {role: "row", class: "group"}, make("th", {role: "rowheader", scope: "rowgroup", colspan: "5"},
        ...name(label(list.column, text)), title, ` (${number})`));
    }
    function draw() {
      const first = page * PAGE, last = Math.min(first + PAGE, found.length), shown = [];
      for (let at = first; at < last; at++) {
        const codes = state.group && state.group.codes;
        if (codes && (at === first || codes[found[at]] !== codes[found[at - 1]])) shown.push(heading(found[at]));
        shown.push(show(found[at]));
      }
      if (found.length === 0) shown.push(make("tr", {role: "row", class: "group"}, make("td", {role: "cell", colspan: "5"}, rows === 0 ? "The report has no finding." : "No finding fits all filters.")));
      body.replaceChildren(...shown);
      status.textContent = `${found.length} of ${rows} findings` + (hidden > 0 ? `. Hidden: ${hidden} unknown` : "") +
        (found.length > PAGE ? `. Shown: ${first + 1} to ${last}` : "");
      for (const {back, next, place, nav} of [above, below]) {
        const focused = document.activeElement;
        place.textContent = `Page ${page + 1} of ${Math.max(1, Math.ceil(found.length / PAGE))}`;
        back.disabled = page === 0;
        next.disabled = last >= found.length;
        // A button that is disabled loses the focus.
        if (focused === back && back.disabled) next.focus();
        if (focused === next && next.disabled) back.focus();
        nav.hidden = found.length <= PAGE;
      }
    }
    function refresh() {
      found = filtered();
      hidden = total - unknowns(found);
      if (state.group) found = grouped(found, state.group);
      page = 0;
      for (const list of lists) {
        offer(list);
        list.select.value = list.choice < 0 ? "" : list.choice;
      }
      clear.disabled = lists.every((list) => list.choice < 0) && state.text.trim() === "";
      draw();
    }
    for (const pager of [above, below]) {
      const turn = (by) => {
        page += by;
        draw();
        if (pager === below) (by > 0 && !above.next.disabled || above.back.disabled ? above.next : above.back).focus();
      };
      pager.back.addEventListener("click", () => turn(-1));
      pager.next.addEventListener("click", () => turn(1));
    }

    const head = make("tr", {role: "row"});
    for (const title of ["Verdict", "Severity", "Check", "Subject", "Finding"]) head.append(make("th", {role: "columnheader", scope: "col"}, title));
    const table = make("table", {role: "table", class: "findings"}, make("caption", {}, "Findings, 100 a page"), make("thead", {role: "rowgroup"}, head), body);
    refresh();
    const app = byId("app");
    app.append(filters, make("div", {class: "found"}, status, clear, above.nav), table, below.nav);
    app.hidden = false;
    byId("worst").hidden = true;
  }

  // Folded lists are open in print. Newer browsers do that by the style alone.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("section > details")].filter((list) => !list.open);
    for (const list of folded) list.open = true;
  });
  addEventListener("afterprint", () => { for (const list of folded) list.open = false; });

  const old = typeof DecompressionStream === "undefined" || !Element.prototype.replaceChildren;
  document.documentElement.classList.add("script");
  addEventListener("DOMContentLoaded", () => {
    if (old) {
      fail("This browser is too old to unpack the findings, so only the worst are below. To see all: " + NEEDS);
      return;
    }
    read().then(main).catch((error) => fail("The findings of this page cannot be unpacked, so only the worst are below. The file may be damaged. " + error));
  });
})();
