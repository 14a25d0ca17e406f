// Keeps a page current: when the registry says that something changed which the page does not know
// of, it is asked for again and what differs is put in its place; focus, open details and what is
// being typed stay.
//
// All tabs of a browser share one stream, for over HTTP/1.1 a browser opens no more than six to a
// host: the tab that holds the lock listens and tells the others, and a tab that begins asks it what
// it has missed. Where there are no locks (plain HTTP under a name that is not this machine's) each
// tab asks the registry from time to time instead.
(() => {
  "use strict";

  const NAME = "plimsoll-live";
  const SOON = 500;
  const SELDOM = 10000;
  // Between tabs: a mark, or nothing where one asks for it.
  const others = new BroadcastChannel(NAME);
  let told = "";
  let timer = 0;
  let isStale = false;

  function refresh() {
    timer = 0;
    if (document.hidden) {
      isStale = true;
      return;
    }
    isStale = false;
    htmx.ajax("GET", location.pathname + location.search, {
      target: "#page",
      select: "#page",
      swap: "outerMorph",
    }).then(() => {
      // Its reader chose another language in another tab: the header has to follow.
      if (document.getElementById("page").lang !== document.documentElement.lang) location.reload();
    });
  }

  function soon(mark) {
    const shown = document.getElementById("page").dataset.mark;
    if (!mark || mark !== shown) timer ||= setTimeout(refresh, SOON + Math.random() * SOON);
  }

  function listen() {
    const stream = new EventSource("/live");
    stream.addEventListener("changed", (event) => {
      told = event.data;
      others.postMessage(told);
      soon(told);
    });
    stream.addEventListener("error", () => {
      // A stream that merely ended is opened again by the browser; one that was refused is not.
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, SELDOM);
    });
  }

  others.addEventListener("message", (event) => {
    if (event.data) soon(event.data);
    else if (told) others.postMessage(told);
  });
  // Since this page was made and before it listened, there may have been news.
  others.postMessage("");
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && isStale) refresh();
  });
  if (navigator.locks) {
    // Never resolved: the lock is this tab's until it closes.
    navigator.locks.request(NAME, () => new Promise(listen));
  } else {
    setInterval(() => soon(""), SELDOM);
  }
})();
