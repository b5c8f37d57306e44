for(const e of["theme","density","keys"]){const t=localStorage.getItem(e);t&&(document.documentElement.dataset[e]=t)}
