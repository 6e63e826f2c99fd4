(() => {
  "use strict";
  const button = document.getElementById("theme");
  if (button) {
    const root = document.documentElement;
    const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    const tell = () => button.setAttribute("aria-pressed", String(dark()));
    button.hidden = false;
    button.textContent = "Dark colours";
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; tell(); });
    tell();
  }
  for (const road of document.querySelectorAll("[data-road]")) {
    const stops = [...road.querySelectorAll("li > details")];
    const stepper = road.querySelector(".stepper");
    const status = stepper.querySelector("[role=status]");
    let now = 0;
    const show = (index) => {
      now = Math.max(0, Math.min(stops.length - 1, index));
      stops.forEach((stop, i) => { stop.open = i === now; });
      status.textContent = `pass ${now + 1} of ${stops.length}`;
    };
    for (const step of stepper.querySelectorAll("button")) {
      step.addEventListener("click", () => show(now + Number(step.dataset.step)));
    }
    stepper.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) { event.preventDefault(); show(now + step); }
    });
    stepper.hidden = false;
    show(0);
  }
  const open = (id) => {
    const target = id && document.getElementById(id);
    for (let box = target; box; box = box.parentElement) if (box.tagName === "DETAILS") box.open = true;
  };
  addEventListener("hashchange", () => open(decodeURIComponent(location.hash.slice(1))));
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const box of folded) box.open = true;
  });
  addEventListener("afterprint", () => { for (const box of folded) box.open = false; });
})();
