// A table is sorted by the column whose name is pressed, and the other way round when it is pressed again.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const rising = head.ariaSort !== "ascending";
      const key = (row) => {
        const cell = row.cells[column];
        return cell.dataset.number === undefined ? cell.textContent : Number(cell.dataset.number);
      };
      const order = (a, b) => {
        // What is empty stands at the end, numbers before words.
        if (a === "" || b === "") return (a === "") - (b === "");
        const way = typeof a === typeof b ? (typeof a === "number" ? a - b : a.localeCompare(b)) : typeof a === "number" ? -1 : 1;
        return rising ? way : -way;
      };
      body.append(...[...body.rows].sort((a, b) => order(key(a), key(b))));
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.ariaSort = rising ? "ascending" : "descending";
    });
  });
}
