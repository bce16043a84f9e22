const summary = document.getElementById("summary");
const parts = document.getElementById("parts");

function cell(row, text, name) {
  const td = row.insertCell();
  td.textContent = text;
  if (name) td.className = name;
}

function show(ready) {
  summary.textContent = ready.status === "ok"
    ? "Every part works."
    : "A part does not work; see below.";
  parts.replaceChildren();
  for (const [name, part] of Object.entries(ready.parts)) {
    const { ok, reason, ...rest } = part;
    const detail = reason ?? Object.entries(rest).map(([k, v]) => `${k}: ${v}`).join(", ");
    const row = parts.insertRow();
    cell(row, name);
    cell(row, ok ? "✓ works" : "✗ does not work", ok ? "ok" : "bad");
    cell(row, detail);
  }
}

async function ask() {
  try {
    const answer = await fetch("readyz");
    show(await answer.json());
  } catch {
    summary.textContent = "Not connected, trying again.";
  }
}

ask();
setInterval(ask, 5000);
