// The picture of the fan-out, asked and switched in its place. Without this script the same forms lead to a page that
// has nothing but the picture; here that page is fetched and its picture put in.
"use strict";

const picture = document.getElementById("fanout");
const said = document.getElementById("fanout-said");

// Fetches a page and shows its picture. A page without one is an error, and its text is shown.
async function draw(url, options) {
  picture.setAttribute("aria-busy", "true");
  try {
    const reply = await fetch(url, { ...options, headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const drawn = page.getElementById("fanout");
    if (!drawn) throw new Error(page.querySelector(".message")?.textContent ?? `${reply.status} ${reply.statusText}`);
    const focused = picture.contains(document.activeElement) ? document.activeElement.id : "";
    picture.replaceChildren(...drawn.childNodes);
    document.getElementById(focused)?.focus();
    tell(picture.querySelector(".coverage").textContent.trim(), false);
  } catch (error) {
    tell(`The picture could not be drawn anew: ${error.message}`, true);
  } finally {
    picture.removeAttribute("aria-busy");
  }
}

// For screen readers always, for everybody where something went wrong.
function tell(text, isWrong) {
  said.textContent = text;
  said.className = isWrong ? "wrong" : "unseen";
}

picture.addEventListener("submit", event => {
  event.preventDefault();
  const form = event.target;
  const fields = new URLSearchParams(new FormData(form));
  if (form.method === "post") draw(form.action, { method: "POST", body: fields });
  else draw(`${form.action}?${fields}`);
});

// The index has a picture of nothing yet.
if (!("asked" in picture.dataset)) picture.querySelector(".ask").requestSubmit();
