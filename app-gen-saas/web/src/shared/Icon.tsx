/** The page's few icons, drawn with the text's colour. They are decoration: the words beside them say it. */
const PATHS = {
  plus: "M8 3v10M3 8h10",
  clip: "m12.8 7.4-5 5a3 3 0 0 1-4.2-4.2l5.3-5.3a2 2 0 0 1 2.8 2.8L6.4 11a.9.9 0 0 1-1.3-1.3l4.7-4.7",
  check: "m3.5 8.5 3 3 6-7",
  cross: "m4 4 8 8M12 4l-8 8",
  alert: "M8 4.5v4.5M8 11.6v.1",
  download: "M8 2.5v7.5m0 0 3-3m-3 3-3-3M3 13.2h10",
  back: "M9.5 3.5 5 8l4.5 4.5",
  down: "M8 3v9.5m0 0 3.5-3.5M8 12.5 4.5 9",
  copy: "M6 5.5h6.5V13H6zM3.5 10.5V3h6.5",
  pause: "M6 4.5v7M10 4.5v7",
  stop: "M4.5 4.5h7v7h-7z",
  again: "M12.5 8a4.5 4.5 0 1 1-1.4-3.2M12.7 2.6v2.9H9.8",
  arrow: "M3 8h9.5m0 0L9 4.5M12.5 8 9 11.5",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zm3.6-1.4L14 14",
  edit: "M3 13l.6-2.8L10.8 3 13 5.2l-7.2 7.2z",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
