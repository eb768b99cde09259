"use strict";

// The number that a cell begins with, or null: "+19.2 %" is 19.2, "1.24x" is 1.24, "-" is none.
function numberOf(text) {
  const found = text.match(/^[<+]?-?\d[\d.]*(e[+-]?\d+)?/i);
  return found ? parseFloat(found[0].replace(/^[<+]/, "")) : null;
}

function sortBy(table, column, descending) {
  const body = table.tBodies[0];
  const numeric = table.tHead.rows[0].cells[column].dataset.sort === "number";
  const keyed = Array.from(body.rows, (row) => {
    const text = row.cells[column].textContent;
    return { row, text, number: numberOf(text) };
  });
  keyed.sort((a, b) => {
    if (numeric && (a.number === null || b.number === null)) {
      return (a.number === null) - (b.number === null); // what is no number stays last
    }
    const order = numeric
      ? a.number - b.number
      : a.text.localeCompare(b.text, "en", { numeric: true });
    return descending ? -order : order;
  });
  body.append(...keyed.map((entry) => entry.row));
}

for (const table of document.querySelectorAll("table")) {
  const headings = Array.from(table.tHead.rows[0].cells);
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortBy(table, column, descending);
    });
  });
}

for (const input of document.querySelectorAll("input[data-table]")) {
  const table = document.getElementById(input.dataset.table);
  const count = document.getElementById(`${input.dataset.table}-count`);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
  });
}

function label(table) {
  const names = Array.from(table.tHead.rows[0].cells, (cell) => cell.textContent);
  table.setAttribute("role", "table");
  table.tBodies[0].setAttribute("role", "rowgroup");
  for (const row of table.tBodies[0].rows) {
    row.setAttribute("role", "row");
    Array.from(row.cells, (cell, column) => {
      cell.setAttribute("role", column ? "cell" : "rowheader");
      cell.dataset.label = names[column];
      cell.classList.toggle("empty", ["", "-"].includes(cell.textContent));
    });
  }
}

// A table stands as rows below each other where its columns do not fit into its box.
function fit(box) {
  const table = box.querySelector("table");
  table.classList.remove("stacked");
  if (table.offsetWidth > box.clientWidth) {
    if (!table.hasAttribute("role")) label(table);
    table.classList.add("stacked");
  }
}

function fitAll() {
  document.querySelectorAll(".table .scroll").forEach(fit);
}

for (const button of document.querySelectorAll(".enlarge")) {
  button.addEventListener("click", () => {
    const large = button.closest("figure").classList.toggle("large");
    button.setAttribute("aria-pressed", String(large));
  });
}

fitAll();
let fittedFor = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth !== fittedFor) {
    fittedFor = window.innerWidth;
    fitAll();
  }
});
